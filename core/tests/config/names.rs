//! Names: inputs 1 to 20 of the list of bad inputs.

use super::{CLUSTER, HOST, changed, check};

#[test]
fn a_name_is_plain() {
    let table = [
        (r#"name: """#, r#"web.yml:3: hosts[0].name: found "", expected {name}"#),
        (r#"name: " web""#, r#"web.yml:3: hosts[0].name: found " web", expected {name}"#),
        ("name: Web", r#"web.yml:3: hosts[0].name: found "Web", expected {name}; write "web""#),
        ("name: we b", r#"web.yml:3: hosts[0].name: found "we b", expected {name}"#),
        ("name: web/1", r#"web.yml:3: hosts[0].name: found "web/1", expected {name}"#),
        ("name: ../web", r#"web.yml:3: hosts[0].name: found "../web", expected {name}"#),
        ("name: .", r#"web.yml:3: hosts[0].name: found ".", expected {name}"#),
        ("name: ..", r#"web.yml:3: hosts[0].name: found "..", expected {name}"#),
        ("name: _", r#"web.yml:3: hosts[0].name: found "_", expected {name}"#),
        (
            "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            r#"web.yml:3: hosts[0].name: found "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…", which has 64 characters, expected {name}"#,
        ),
        ("name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "fine"),
        (
            "name: wéb",
            r#"web.yml:3: hosts[0].name: found "wéb", which holds the character \u{e9}, expected {name}"#,
        ),
        (
            "name: wеb",
            r#"web.yml:3: hosts[0].name: found "wеb", which holds the character \u{435}, expected {name}"#,
        ),
        (
            r#"name: "web\n""#,
            r#"web.yml:3: hosts[0].name: found "web\n", which holds the character \u{a}, expected {name}"#,
        ),
        (
            r#"name: "web\0""#,
            r#"web.yml:3: hosts[0].name: found "web\0", which holds the character \u{0}, expected {name}"#,
        ),
        (
            r#"name: "\e[31mweb""#,
            r#"web.yml:3: hosts[0].name: found "\u{1b}[31mweb", which holds the character \u{1b}, expected {name}"#,
        ),
        ("name: -web", r#"web.yml:3: hosts[0].name: found "-web", expected {name}"#),
        ("name: web-", r#"web.yml:3: hosts[0].name: found "web-", expected {name}"#),
        ("name: --help", r#"web.yml:3: hosts[0].name: found "--help", expected {name}"#),
        ("name: web%2f..", r#"web.yml:3: hosts[0].name: found "web%2f..", expected {name}"#),
        ("name: a//b", r#"web.yml:3: hosts[0].name: found "a//b", expected {name}"#),
        ("name: a--b", "fine"),
        ("name: [web]", "web.yml:3: hosts[0].name: found a list, expected {name}"),
        ("name: {a: b}", "web.yml:3: hosts[0].name: found an object, expected {name}"),
        ("name:", "web.yml:3: hosts[0].name: found null, expected {name}"),
        ("-name", "web.yml:3: hosts[0].name: missing, expected {name}"),
    ];
    for (input, expect) in table {
        check(&changed(HOST, input), expect);
    }
}

#[test]
fn some_names_are_reserved() {
    let table = [
        (
            "name: all",
            r#"web.yml:3: hosts[0].name: found "all", a reserved word, expected {name}; choose another"#,
        ),
        (
            "name: alloc",
            r#"web.yml:3: hosts[0].name: found "alloc", a reserved word, expected {name}; choose another"#,
        ),
        (
            "name: none",
            r#"web.yml:3: hosts[0].name: found "none", a reserved word, expected {name}; choose another"#,
        ),
        (
            "name: self",
            r#"web.yml:3: hosts[0].name: found "self", a reserved word, expected {name}; choose another"#,
        ),
        ("name: default", "fine"),
    ];
    for (input, expect) in table {
        check(&changed(HOST, input), expect);
    }
}

#[test]
fn a_bare_word_that_readers_disagree_on_is_no_name() {
    let table = [
        (
            "name: NO",
            r#"web.yml:3: hosts[0].name: found NO, which YAML readers take for a truth value, expected {name}; if it is meant, write "no" in quotes"#,
        ),
        (
            "name: no",
            r#"web.yml:3: hosts[0].name: found no, which YAML readers take for a truth value, expected {name}; if it is meant, write "no" in quotes"#,
        ),
        (r#"name: "no""#, "fine"),
        (
            "name: on",
            r#"web.yml:3: hosts[0].name: found on, which YAML readers take for a truth value, expected {name}; if it is meant, write "on" in quotes"#,
        ),
        (r#"name: "1""#, "fine"),
        (
            "name: 1",
            r#"web.yml:3: hosts[0].name: found 1, which YAML readers take for a number, expected {name}; if it is meant, write "1" in quotes"#,
        ),
        (
            "name: 1.0",
            "web.yml:3: hosts[0].name: found 1.0, which YAML readers take for a number, expected {name}",
        ),
        (
            "name: 1e9",
            r#"web.yml:3: hosts[0].name: found 1e9, which YAML readers take for a number, expected {name}; if it is meant, write "1e9" in quotes"#,
        ),
        (
            "name: 2001-01-01",
            r#"web.yml:3: hosts[0].name: found 2001-01-01, which YAML readers take for a date, expected {name}; if it is meant, write "2001-01-01" in quotes"#,
        ),
        (
            "name: 0x1f",
            r#"web.yml:3: hosts[0].name: found 0x1f, which YAML readers take for a number, expected {name}; if it is meant, write "0x1f" in quotes"#,
        ),
        (
            "name: true",
            r#"web.yml:3: hosts[0].name: found true, which YAML readers take for a truth value, expected {name}; if it is meant, write "true" in quotes"#,
        ),
        ("name: null", "web.yml:3: hosts[0].name: found null, expected {name}"),
        ("name: ~", "web.yml:3: hosts[0].name: found null, expected {name}"),
        ("name: 1a", "fine"),
        ("name: 1-2", "fine"),
    ];
    for (input, expect) in table {
        check(&changed(HOST, input), expect);
    }
}

#[test]
fn names_differ() {
    let table = [
        (
            "hosts:\n- name: a\n- name: a\n",
            r#"web.yml:3: hosts[1].name: found "a", already defined at web.yml:2; keep one of the two"#,
        ),
        (
            "clusters:\n- name: a\n- name: b\n- name: a\n",
            r#"web.yml:4: clusters[2].name: found "a", already defined at web.yml:2; keep one of the two"#,
        ),
        (
            "clusters:\n- name: a\n  services: [web, api, web]\n",
            r#"web.yml:3: clusters[0].services[2]: found "web", already listed on line 3; keep one of the two"#,
        ),
        (
            "services:\n- {name: web, task_name: web, task_version: 1, desired: 1, min: 0, max: 2}\n- {name: web, task_name: api, task_version: 2, desired: 0, min: 0, max: 0}\n",
            r#"web.yml:3: services[1].name: found "web", already defined at web.yml:2; keep one of the two"#,
        ),
        (
            "hosts:\n- name: a\n- name: A\n",
            r#"web.yml:3: hosts[1].name: found "A", expected {name}; write "a""#,
        ),
    ];
    for (input, expect) in table {
        check(input, expect);
    }
}

#[test]
fn all_names_follow_the_rule() {
    let table = [
        ("name: Shop", r#"web.yml:3: clusters[0].name: found "Shop", expected {name}; write "shop""#),
        (
            "scheduler: My Scheduler",
            r#"web.yml:4: clusters[0].scheduler: found "My Scheduler", expected {name}"#,
        ),
        (
            "services: [web, Api]",
            r#"web.yml:4: clusters[0].services[1]: found "Api", expected {name}; write "api""#,
        ),
        ("services: web", r#"web.yml:4: clusters[0].services: found "web", expected a list"#),
        (
            "services: [web, 5]",
            r#"web.yml:4: clusters[0].services[1]: found 5, which YAML readers take for a number, expected {name}; if it is meant, write "5" in quotes"#,
        ),
        (
            "policy: bin-pack",
            r#"web.yml:4: clusters[0].policy: found "bin-pack", expected spread, binpack, round_robin or e_pvm; did you mean "binpack"?"#,
        ),
        (
            "placement: bids",
            r#"web.yml:4: clusters[0].placement: found "bids", expected best or bid; did you mean "bid"?"#,
        ),
        (
            "policy: [spread]",
            "web.yml:4: clusters[0].policy: found a list, expected spread, binpack, round_robin or e_pvm",
        ),
        (
            "host_grace: 0s",
            r#"web.yml:4: clusters[0].host_grace: found "0s", expected a duration from 1s to 24h, as in 10s, 5m or 250ms"#,
        ),
        (
            "host_grace: 25h",
            r#"web.yml:4: clusters[0].host_grace: found "25h", expected a duration from 1s to 24h, as in 10s, 5m or 250ms"#,
        ),
        (
            "host_grace: 30",
            "web.yml:4: clusters[0].host_grace: found 30, expected a duration from 1s to 24h, as in 10s, 5m or 250ms; add a unit, as in 30s",
        ),
    ];
    for (input, expect) in table {
        check(&changed(CLUSTER, input), expect);
    }
}
