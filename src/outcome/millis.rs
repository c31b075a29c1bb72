//! Times in reports.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time, written to JSON as milliseconds with at most three decimals.
///
/// Whole milliseconds are written as integers, so virtual times read `1500`, not `1500.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Millis(pub Duration);

impl Millis {
    /// Whole microseconds, the precision of reports.
    fn micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self(span)
    }
}

impl From<Millis> for Duration {
    fn from(span: Millis) -> Self {
        span.0
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = self.micros();
        if micros.is_multiple_of(1000) {
            serializer.serialize_u64(micros / 1000)
        } else {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a run shorter than 285 years is exact"
            )]
            serializer.serialize_f64(micros as f64 / 1000.0)
        }
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let millis = f64::deserialize(deserializer)?;
        let span = Duration::try_from_secs_f64(millis / 1000.0)
            .map_err(|error| serde::de::Error::custom(error.to_string()))?;
        // Through the float and back, the microsecond is what was written.
        let micros = (span.as_nanos() + 500) / 1000;
        Ok(Self(Duration::from_micros(
            u64::try_from(micros).unwrap_or(u64::MAX),
        )))
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Millis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "minimum": 0,
            "description": "Milliseconds, at most three decimals; virtual in self mode."
        })
    }
}

impl fmt::Display for Millis {
    /// `0.250 s`, `12.000 s`, `2 min 05 s`: aligned in a log, short in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        if secs >= 120 {
            write!(f, "{} min {:02} s", secs / 60, secs % 60)
        } else {
            write!(f, "{}.{:03} s", secs, self.0.subsec_millis())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_milliseconds_are_integers_and_all_round_trip() {
        for micros in [0, 1, 999, 1000, 1500, 60_000_000, 3_599_999_999] {
            let span = Millis(Duration::from_micros(micros));
            let text = serde_json::to_string(&span).unwrap();
            assert_eq!(text.contains('.'), micros % 1000 != 0, "{text}");
            assert_eq!(serde_json::from_str::<Millis>(&text).unwrap(), span);
        }
    }

    #[test]
    fn reads_as_people_say_it() {
        assert_eq!(Millis(Duration::from_millis(250)).to_string(), "0.250 s");
        assert_eq!(Millis(Duration::from_secs(125)).to_string(), "2 min 05 s");
    }
}
