//! How far an artifact is that is being fetched: in words, for whoever waits.

/// An artifact on its way.
pub(super) struct Fetching<'a> {
    pub(super) url: &'a str,
    /// Bytes in all, where the server says so.
    pub(super) of: Option<u64>,
}

impl Fetching<'_> {
    /// Says how far it is once so many bytes have come.
    pub(super) fn tell(&self, has: u64) -> String {
        let Fetching { url, of } = self;
        match of {
            Some(of) => format!("fetching {url}, {} of {} MiB", has >> 20, of.div_ceil(1 << 20)),
            None if has >> 20 == 0 => format!("fetching {url}"),
            None => format!("fetching {url}, {} MiB", has >> 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fetching;

    #[test]
    fn it_is_told_in_whole_mebibytes() {
        const MIB: u64 = 1 << 20;
        let tell = |of, has| Fetching { url: "https://a/b", of }.tell(has);
        assert_eq!(tell(None, MIB - 1), "fetching https://a/b");
        assert_eq!(tell(None, 3 * MIB), "fetching https://a/b, 3 MiB");
        assert_eq!(tell(Some(11 * MIB + 1), 4 * MIB - 1), "fetching https://a/b, 3 of 12 MiB");
    }
}
