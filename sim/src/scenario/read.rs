//! stub
use super::Scenario;
/// x
#[derive(Debug)]
pub struct ReadError;
/// x
pub fn read() -> Option<Scenario> {
    None
}
