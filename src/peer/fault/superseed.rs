//! Defects of a super-seed, which is nobody until its operator says so.

use super::{Effect, FaultSpec, Quirk};

pub(super) const FAULTS: &[FaultSpec] = &[
    FaultSpec::new(
        "super-seed-shows-everything",
        &["B16-01"],
        "Announces every piece although it is to hide them.",
        Effect::Quirk(Quirk::SuperSeedShowsAll),
    )
    .seed(),
    FaultSpec::new(
        "super-seed-offers-nothing",
        &["B16-02"],
        "Offers no piece.",
        Effect::Quirk(Quirk::SuperSeedOffersNothing),
    )
    .seed(),
    FaultSpec::new(
        "super-seed-offers-most-pieces",
        &["B16-02"],
        "Offers two thirds of the pieces, one have after another.",
        Effect::Quirk(Quirk::SuperSeedOffersMany),
    )
    .seed(),
    FaultSpec::new(
        "super-seed-serves-everything",
        &["B16-03"],
        "Serves pieces that it has not offered.",
        Effect::Quirk(Quirk::SuperSeedServesAll),
    )
    .seed(),
    FaultSpec::new(
        "super-seed-refuses",
        &["B16-03"],
        "Refuses pieces that it has offered.",
        Effect::Quirk(Quirk::SuperSeedRefuses),
    )
    .seed(),
    FaultSpec::new(
        "super-seed-stops",
        &["B16-04"],
        "Offers no second piece.",
        Effect::Quirk(Quirk::SuperSeedStops),
    )
    .seed(),
];
