//! One test for each numbered ruling of SCENARIOS 3.

mod support;

use btspec::outcome::Verdict;
use support::{assert_verdict, case};

#[test]
fn simplest() {
    let outcome = case(
        "
spec: 1
suite: t
title: T
cases:
  - case: a
    title: A request is answered
    cites: [B3-RQ-01]
    roles: [seed]
    given:
      - connect: {reserved: [fast, extended]}
      - until: {has: all}
      - alive: {}
      - send: interested
      - until: {unchoked: true}
    steps:
      - send: {request: {index: 0, begin: 0, length: 16384}}
      - expect: {piece: {index: 0, begin: 0}}
      - survives: {stay: pass, close: warn}
",
    );
    assert_verdict(&outcome, Verdict::Pass);
}
