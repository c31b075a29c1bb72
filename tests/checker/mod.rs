//! JSON Schema, as far as ours goes.

use serde_json::Value;

/// Checks values against the part of JSON Schema that ours uses.
pub(crate) struct Checker<'a> {
    pub(crate) root: &'a Value,
}

impl Checker<'_> {
    pub(crate) fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let rules = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{at}: not allowed here")),
            Value::Object(rules) => rules,
            other => panic!("no schema: {other}"),
        };
        for (keyword, rule) in rules {
            self.keyword(keyword, rule, rules, value, at)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        keyword: &str,
        rule: &Value,
        rules: &serde_json::Map<String, Value>,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let fail = |what: &str| Err(format!("{at}: {what}: {value}"));
        let list = || rule.as_array().unwrap();
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "format" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().trim_start_matches('#');
                let target = self.root.pointer(pointer).expect("a definition");
                self.check(target, value, at)?;
            }
            "const" if rule != value => return fail("another constant"),
            "enum" if !list().contains(value) => return fail("not in the list"),
            "const" | "enum" => {}
            "type" => {
                let is = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                let fits = rule
                    .as_array()
                    .map_or_else(|| is(rule), |all| all.iter().any(is));
                if !fits {
                    return fail(&format!("not {rule}"));
                }
            }
            "pattern" => {
                if let Some(text) = value.as_str()
                    && !pattern(rule.as_str().unwrap(), text)
                {
                    return fail("does not fit");
                }
            }
            "minimum" => {
                if value.as_i64().is_some_and(|n| n < rule.as_i64().unwrap()) {
                    return fail("too small");
                }
            }
            "maximum" => {
                if value.as_u64().is_some_and(|n| n > rule.as_u64().unwrap()) {
                    return fail("too large");
                }
            }
            "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
                let len = match value {
                    Value::Array(list) => list.len(),
                    Value::Object(map) => map.len(),
                    _ => return Ok(()),
                } as u64;
                let bound = rule.as_u64().unwrap();
                let wrong = if keyword.starts_with("min") {
                    len < bound
                } else {
                    len > bound
                };
                if wrong {
                    return fail(keyword);
                }
            }
            "items" => {
                for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
                    self.check(rule, entry, &format!("{at}[{index}]"))?;
                }
            }
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        self.check(rule, value, &format!("{at}.{key}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    if !known.is_some_and(|known| known.contains_key(key)) {
                        self.check(rule, value, &format!("{at}.{key}"))?;
                    }
                }
            }
            "propertyNames" => {
                for key in value.as_object().into_iter().flatten().map(|(key, _)| key) {
                    self.check(rule, &Value::from(key.as_str()), &format!("{at}.{key}"))?;
                }
            }
            "required" => {
                for key in list() {
                    if value.is_object() && value.get(key.as_str().unwrap()).is_none() {
                        return fail(&format!("without {key}"));
                    }
                }
            }
            "dependentSchemas" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if value.get(key).is_some() {
                        self.check(rule, value, at)?;
                    }
                }
            }
            "allOf" => {
                for rule in list() {
                    self.check(rule, value, at)?;
                }
            }
            "anyOf" => {
                let errors: Vec<String> = list()
                    .iter()
                    .map_while(|rule| self.check(rule, value, at).err())
                    .collect();
                if errors.len() == list().len() {
                    return Err(errors.join("; "));
                }
            }
            "oneOf" => {
                let fitting = list()
                    .iter()
                    .filter(|rule| self.check(rule, value, at).is_ok());
                if fitting.count() != 1 {
                    return fail("not exactly one of the alternatives");
                }
            }
            other => panic!("keyword {other}"),
        }
        Ok(())
    }
}

/// The patterns that the schema uses.
fn pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "^\\$" => text.starts_with('$'),
        "^[a-z0-9_-]+$" => {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
        }
        "^[0-9]+(ms|s|m)$" => {
            let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
            unit.len() < text.len() && ["ms", "s", "m"].contains(&unit)
        }
        verbs => {
            let verbs = verbs.trim_start_matches("^(").trim_end_matches(")( |$)");
            let word = text.split(' ').next().unwrap_or("");
            verbs.split('|').any(|verb| verb == word)
        }
    }
}
