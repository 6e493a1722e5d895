//! How an etcd cluster is: each server asked by itself, so that one that is down is named.

use super::fault::Fault;
use super::servers::Servers;
use crate::StoreError;
use crate::diagnosis::{Diagnosis, version};
use etcd_client::{AlarmAction, AlarmType, StatusResponse};
use std::collections::BTreeSet;

/// Half of the quota that etcd has unless told otherwise; the real one it does not tell.
const DB_BYTES_WARN: i64 = 1 << 30;

pub(super) async fn diagnose(servers: &Servers) -> Result<Diagnosis, StoreError> {
    let mut diagnosis = Diagnosis::default();
    let (mut leaders, mut answered) = (BTreeSet::new(), 0);
    for (endpoint, status) in servers.ask_each(|mut client| async move { client.status().await }).await {
        match status {
            Ok(status) => {
                answered += 1;
                leaders.insert(status.leader());
                server(&mut diagnosis, &endpoint, &status);
            }
            Err(fault) => diagnosis.wrong(
                format!("{endpoint} does not answer: {}", fault.into_error()),
                "start it, or take it out of the addresses and of the cluster (`etcdctl member remove`)",
            ),
        }
    }
    if answered == 0 {
        return Err(StoreError::Unavailable("none of its servers answers".into()));
    }
    if leaders.contains(&0) || leaders.len() > 1 {
        diagnosis.wrong(
            "its servers do not agree on a leader, so nothing can be written",
            "wait for an election; if it lasts, bring back the servers that are down or cut off",
        );
    }
    members(servers, &mut diagnosis).await.map_err(Fault::into_error)?;
    Ok(diagnosis)
}

fn server(diagnosis: &mut Diagnosis, endpoint: &str, status: &StatusResponse) {
    let mib = status.db_size() >> 20;
    let used = status.raft_used_db_size() >> 20;
    diagnosis
        .facts
        .push(format!("{endpoint}: etcd {}, database {mib} MiB, {used} of it used", status.version()));
    if version(status.version()) < (3, 5) {
        diagnosis.warn(
            format!("{endpoint} is etcd {}, whose line is no longer mended", status.version()),
            "upgrade to 3.5 or later: watches of 3.4 have lost events (etcd #18089, #17529)",
        );
    }
    if status.db_size() > DB_BYTES_WARN {
        diagnosis.warn(
            format!(
                "{endpoint}: its database has grown to {mib} MiB; at its quota, 2048 MiB unless set, \
                 etcd refuses to write"
            ),
            "turn on --auto-compaction-retention, and defragment: `etcdctl defrag`",
        );
    }
}

/// Asks for alarms, and how many members may be lost.
async fn members(servers: &Servers, diagnosis: &mut Diagnosis) -> Result<(), Fault> {
    let alarms = servers
        .ask_any(|mut client| async move { client.alarm(AlarmAction::Get, AlarmType::None, None).await });
    for alarm in alarms.await?.alarms() {
        let (what, next) = match alarm.alarm() {
            AlarmType::Nospace => (
                "its database is full, so nothing can be written and no session begins",
                "compact, defragment each server, then `etcdctl alarm disarm`",
            ),
            AlarmType::Corrupt => {
                ("a server's data is corrupt", "remove that member, delete its data, add it again")
            }
            AlarmType::None => continue,
        };
        diagnosis.wrong(format!("alarm at member {:x}: {what}", alarm.member_id()), next);
    }
    let list = servers.ask_any(|mut client| async move { client.member_list().await }).await?;
    let count = list.members().len();
    let spare = count.saturating_sub(1) / 2;
    diagnosis.facts.push(format!("{count} members; it bears the loss of {spare}"));
    Ok(())
}
