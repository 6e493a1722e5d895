//! What no store may be sent, and what every store must take.

use callboard_core::store::{
    Guard, Op, RECORD_BYTES_MAX, Revision, SessionId, TXN_BYTES_MAX, TXN_OPS_MAX, Txn,
};

use crate::bench::{Bench, committed, invalid};

/// Makes a transaction of `count` creates whose values are `size` bytes long.
fn creates(bench: &Bench, name: &str, count: usize, size: usize) -> Txn {
    let names: Vec<String> = (0..count).map(|index| format!("{name}{index:03}")).collect();
    let value = "x".repeat(size);
    Txn {
        guards: names.iter().map(|name| bench.absent(name)).collect(),
        ops: names.iter().map(|name| bench.put(name, &value)).collect(),
    }
}

pub(crate) async fn unguarded(bench: &Bench) {
    invalid(&bench.commit([], [bench.put("a", "1")]).await);
    invalid(&bench.commit([bench.absent("b")], [bench.put("a", "1")]).await);
    let session = bench.session().await;
    let tenure = bench.lock("lock", &session).await;
    invalid(&bench.commit([bench.held("lock", &session, tenure)], [bench.put("lock", "1")]).await);
    assert_eq!(bench.get("a").await, None);
}

pub(crate) async fn written_twice(bench: &Bench) {
    invalid(&bench.commit([bench.absent("a")], [bench.put("a", "1"), bench.put("a", "2")]).await);
    assert_eq!(bench.get("a").await, None);
}

pub(crate) async fn too_many_operations(bench: &Bench) {
    let most = creates(bench, "most", TXN_OPS_MAX, 1);
    assert_eq!(most.fault(), None);
    committed(bench.store.commit(most).await);
    assert_eq!(bench.list("most").await.entries.len(), TXN_OPS_MAX);
    invalid(&bench.store.commit(creates(bench, "over", TXN_OPS_MAX + 1, 1)).await);
    assert!(bench.list("over").await.entries.is_empty());
}

pub(crate) async fn a_large_record(bench: &Bench) {
    for size in [RECORD_BYTES_MAX - 1, RECORD_BYTES_MAX] {
        let name = format!("fits{size}");
        bench.create(&name, &"x".repeat(size)).await;
        assert_eq!(bench.get(&name).await.expect("it").value.len(), size);
    }
    let over = "x".repeat(RECORD_BYTES_MAX + 1);
    invalid(&bench.commit([bench.absent("over")], [bench.put("over", &over)]).await);
}

pub(crate) async fn a_large_transaction(bench: &Bench) {
    let mut most = creates(bench, "a", 5, 40_000);
    let room = TXN_BYTES_MAX - most.bytes();
    let grow = |op: &mut Op, by: usize| {
        if let Op::Put { value, .. } = op {
            value.push_str(&"y".repeat(by));
        }
    };
    for op in &mut most.ops {
        grow(op, room / 5);
    }
    let rest = TXN_BYTES_MAX - most.bytes();
    grow(&mut most.ops[0], rest);
    assert_eq!(most.bytes(), TXN_BYTES_MAX);
    let mut over = most.clone();
    grow(&mut over.ops[0], 1);
    invalid(&bench.store.commit(over).await);
    committed(bench.store.commit(most).await);
    let total: usize = bench.list("").await.entries.iter().map(|entry| entry.value.len()).sum();
    assert!(total > 5 * 50_000);
}

pub(crate) async fn odd_values(bench: &Bench) {
    let odd = [
        ("empty", ""),
        ("ünï/cödé 日本 🎭", "✓ 日本 🎭 \u{0} \u{feff} \u{202e}"),
        ("quotes\"'\\", "\"\\\n\r\t</script>"),
        ("a/../b", "dots"),
        ("a//b", "slashes"),
        ("%2F+&=?#", "%00"),
        (" spaces ", " \u{a0} "),
        ("null", "null"),
    ];
    for (name, value) in odd {
        bench.create(name, value).await;
    }
    for (name, value) in odd {
        assert_eq!(bench.get(name).await.expect(name).value, value, "{name}");
    }
    assert_eq!(bench.list("").await.entries.len(), odd.len());
}

pub(crate) async fn odd_guards(bench: &Bench) {
    let nobody = SessionId(String::new());
    invalid(&bench.commit([bench.held("lock", &nobody, Revision(1))], []).await);
    let session = bench.session().await;
    invalid(&bench.commit([bench.held("lock", &session, Revision(0))], []).await);
    invalid(&bench.commit([bench.at("a", Revision(0))], [bench.put("a", "1")]).await);
    invalid(&bench.commit([bench.absent("a")], [bench.delete("a")]).await);
    let empty = Op::Put { key: String::new(), value: "1".into(), session: None };
    invalid(&bench.commit([Guard::Absent { key: String::new() }], [empty]).await);
}
