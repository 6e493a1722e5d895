//! stub
/// x
#[derive(Debug)]
pub struct Rehearsal;
/// x
pub fn rehearse() -> Rehearsal {
    Rehearsal
}
