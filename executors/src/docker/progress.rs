//! How far a pull is, by what the engine tells of each layer: in words, for whoever waits.

use bollard::models::CreateImageInfo;
use std::collections::BTreeMap;

/// The layers of an image that is being pulled.
#[derive(Default)]
pub(super) struct Layers(BTreeMap<String, Layer>);

#[derive(Clone, Copy, Default)]
struct Layer {
    /// Bytes that have come.
    has: u64,
    /// Bytes in all, where that is known.
    of: Option<u64>,
    is_here: bool,
    /// The engine fetches a few layers at a time, of all pulls together, and this is not one of them yet.
    waits: bool,
}

impl Layers {
    /// Takes what the engine tells. What is of no layer, as the name of the tag, is passed over.
    pub(super) fn take(&mut self, told: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&told.id, &told.status) else { return };
        let bytes =
            |of: Option<i64>| of.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
        match status.as_str() {
            "Pulling fs layer" | "Waiting" => {
                self.0.entry(id.clone()).or_default().waits = status == "Waiting";
            }
            "Downloading" => {
                let layer = self.0.entry(id.clone()).or_default();
                layer.waits = false;
                let detail = told.progress_detail.as_ref();
                layer.has = detail.and_then(|detail| bytes(detail.current)).unwrap_or_default();
                layer.of = detail.and_then(|detail| bytes(detail.total)).or(layer.of);
            }
            "Verifying Checksum" | "Download complete" | "Extracting" | "Pull complete"
            | "Already exists" => {
                let layer = self.0.entry(id.clone()).or_default();
                (layer.has, layer.is_here) = (layer.of.unwrap_or(layer.has), true);
            }
            _ => {}
        }
    }

    /// Tells whether all that is missing waits for its turn.
    pub(super) fn wait_their_turn(&self) -> bool {
        let mut missing = self.0.values().filter(|layer| !layer.is_here).peekable();
        missing.peek().is_some() && missing.all(|layer| layer.waits)
    }

    /// Says how far it is. How large a layer is, is known once it comes.
    pub(super) fn tell(&self, image: &str) -> String {
        let has: u64 = self.0.values().map(|layer| layer.has).sum();
        let of: u64 = self.0.values().map(|layer| layer.of.unwrap_or(layer.has)).sum();
        let is_sure = self.0.values().all(|layer| layer.is_here || layer.of.is_some());
        let all = of.div_ceil(1 << 20);
        match self.0.values().all(|layer| layer.is_here) {
            _ if of == 0 => format!("pulling {image}"),
            true => format!("unpacking {image}, {all} MiB"),
            false if is_sure => format!("pulling {image}, {} of {all} MiB", has >> 20),
            false => format!("pulling {image}, {} of at least {all} MiB", has >> 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    /// Takes what is told of layers, and expects what is then said.
    fn check(layers: &mut Layers, told: &[(&str, &str, i64, i64)], expect: &str) {
        for (id, status, current, total) in told {
            let detail = ProgressDetail { current: Some(*current), total: Some(*total) };
            layers.take(&CreateImageInfo {
                id: Some((*id).to_string()),
                status: Some((*status).to_string()),
                progress_detail: Some(detail),
                ..CreateImageInfo::default()
            });
        }
        assert_eq!(layers.tell("web:1"), expect, "{told:?}");
    }

    #[test]
    fn what_waits_for_its_turn_is_told_apart_from_what_hangs() {
        let mut layers = Layers::default();
        assert!(!layers.wait_their_turn());
        check(&mut layers, &[("a", "Pulling fs layer", 0, 0), ("b", "Waiting", 0, 0)], "pulling web:1");
        assert!(!layers.wait_their_turn());
        check(&mut layers, &[("a", "Waiting", 0, 0)], "pulling web:1");
        assert!(layers.wait_their_turn());
        check(&mut layers, &[("a", "Already exists", 0, 0)], "pulling web:1");
        assert!(layers.wait_their_turn());
        check(&mut layers, &[("b", "Downloading", 1 << 20, 2 << 20)], "pulling web:1, 1 of 2 MiB");
        assert!(!layers.wait_their_turn());
    }

    #[test]
    fn a_pull_is_as_far_as_its_layers() {
        const MIB: i64 = 1 << 20;
        let mut layers = Layers::default();
        check(&mut layers, &[("1", "Pulling from library/web", 0, 0)], "pulling web:1");
        let begun = ["a", "b", "c"].map(|id| (id, "Pulling fs layer", 0, 0));
        check(&mut layers, &begun, "pulling web:1");
        let first = [("c", "Already exists", 0, 0), ("a", "Downloading", 34 * MIB, 100 * MIB + 1)];
        check(&mut layers, &first, "pulling web:1, 34 of at least 101 MiB");
        check(&mut layers, &[("b", "Downloading", 1, 19 * MIB)], "pulling web:1, 34 of 120 MiB");
        check(&mut layers, &[("a", "Verifying Checksum", 0, 0)], "pulling web:1, 100 of 120 MiB");
        check(&mut layers, &[("a", "Extracting", 5, 100 * MIB)], "pulling web:1, 100 of 120 MiB");
        check(&mut layers, &[("b", "Download complete", 0, 0)], "unpacking web:1, 120 MiB");
        check(&mut layers, &[("b", "Retrying in 5 seconds", 0, 0)], "unpacking web:1, 120 MiB");
    }
}
