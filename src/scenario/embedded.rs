//! The scenario files that are part of the binary.

/// Name and text of every file in `scenarios/`, by name.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "scenarios/_blocks.yaml",
        include_str!("../../scenarios/_blocks.yaml"),
    ),
    (
        "scenarios/availability.yaml",
        include_str!("../../scenarios/availability.yaml"),
    ),
    (
        "scenarios/choking.yaml",
        include_str!("../../scenarios/choking.yaml"),
    ),
    (
        "scenarios/dht_port.yaml",
        include_str!("../../scenarios/dht_port.yaml"),
    ),
    (
        "scenarios/dialling.yaml",
        include_str!("../../scenarios/dialling.yaml"),
    ),
    (
        "scenarios/donthave.yaml",
        include_str!("../../scenarios/donthave.yaml"),
    ),
    (
        "scenarios/extension_protocol.yaml",
        include_str!("../../scenarios/extension_protocol.yaml"),
    ),
    (
        "scenarios/fast_ext.yaml",
        include_str!("../../scenarios/fast_ext.yaml"),
    ),
    (
        "scenarios/framing.yaml",
        include_str!("../../scenarios/framing.yaml"),
    ),
    (
        "scenarios/geometry.yaml",
        include_str!("../../scenarios/geometry.yaml"),
    ),
    (
        "scenarios/handshake.yaml",
        include_str!("../../scenarios/handshake.yaml"),
    ),
    (
        "scenarios/load.yaml",
        include_str!("../../scenarios/load.yaml"),
    ),
    (
        "scenarios/private.yaml",
        include_str!("../../scenarios/private.yaml"),
    ),
    (
        "scenarios/requests.yaml",
        include_str!("../../scenarios/requests.yaml"),
    ),
    (
        "scenarios/superseed.yaml",
        include_str!("../../scenarios/superseed.yaml"),
    ),
    (
        "scenarios/timeouts.yaml",
        include_str!("../../scenarios/timeouts.yaml"),
    ),
    (
        "scenarios/transfer.yaml",
        include_str!("../../scenarios/transfer.yaml"),
    ),
    (
        "scenarios/upload_only.yaml",
        include_str!("../../scenarios/upload_only.yaml"),
    ),
    (
        "scenarios/ut_metadata.yaml",
        include_str!("../../scenarios/ut_metadata.yaml"),
    ),
    (
        "scenarios/ut_pex.yaml",
        include_str!("../../scenarios/ut_pex.yaml"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".yaml"))
            .map(|name| format!("scenarios/{name}"))
            .collect();
        found.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, listed);
    }
}
