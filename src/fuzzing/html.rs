//! Enough of HTML to see that a page of ours has the elements and attributes of its template, and no
//! others.

/// The elements of `page` in order. Panics at one that the template does not have, at an attribute
/// that it does not have, and where elements are not closed as they were opened.
#[track_caller]
pub(super) fn elements(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some((text, after)) = rest.split_once('<') {
        is_text(text);
        if let Some(after) = after.strip_prefix("!doctype html>") {
            rest = after;
            continue;
        }
        if let Some(after) = after.strip_prefix('/') {
            let (name, after) = after.split_once('>').expect("the end of a tag");
            assert_eq!(open.pop(), Some(name), "closed in another order");
            rest = after;
            continue;
        }
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric())
            .expect("more");
        let (name, mut after) = after.split_at(end);
        assert!(ELEMENTS.contains(&name), "an element `{name}`");
        let closed = loop {
            after = after.trim_start();
            if let Some(after) = after.strip_prefix("/>") {
                break (after, true);
            }
            if let Some(after) = after.strip_prefix('>') {
                break (after, VOID.contains(&name));
            }
            after = attribute(name, after);
        };
        found.push(name.to_owned());
        rest = closed.0;
        if !closed.1 {
            open.push(name);
        }
        // Their text is no markup.
        if matches!(name, "script" | "style") {
            let end = rest.find(&format!("</{name}>")).expect("its end");
            rest = rest.split_at(end).1;
        }
    }
    is_text(rest);
    assert!(open.is_empty(), "never closed: {open:?}");
    found
}

/// What is behind an attribute.
#[track_caller]
fn attribute<'a>(element: &str, text: &'a str) -> &'a str {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .expect("more");
    let (name, after) = text.split_at(end);
    let known = ATTRIBUTES.contains(&name) || name.starts_with("data-");
    assert!(known, "an attribute `{name}` of `{element}`");
    let Some(after) = after.strip_prefix("=\"") else {
        return after;
    };
    let (value, after) = after.split_once('"').expect("a closing quote");
    is_text(value);
    if name == "href" {
        let ours = value.starts_with('#') || value.starts_with("https://www.bittorrent.org/beps/");
        assert!(ours, "a link to {value}");
    }
    after
}

/// No tag in it, and every `&` begins a reference.
#[track_caller]
fn is_text(text: &str) {
    assert!(!text.contains(['<', '>']), "a bare angle in {text:?}");
    for (at, _) in text.match_indices('&') {
        let name = text[at + 1..].split(';').next().unwrap_or_default();
        let reference = name.starts_with('#')
            || ["amp", "lt", "gt", "quot", "hellip", "middot"].contains(&name);
        assert!(reference, "a bare & in {text:?}");
    }
}

/// Elements of `templates/report.html`.
const ELEMENTS: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "style",
    "script",
    "noscript",
    "body",
    "header",
    "footer",
    "main",
    "nav",
    "section",
    "form",
    "label",
    "input",
    "select",
    "option",
    "button",
    "output",
    "details",
    "summary",
    "figure",
    "figcaption",
    "blockquote",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "dl",
    "dt",
    "dd",
    "ul",
    "li",
    "div",
    "p",
    "pre",
    "code",
    "kbd",
    "span",
    "small",
    "a",
    "b",
    "i",
    "h1",
    "h2",
    "h3",
    "svg",
    "g",
    "path",
    "rect",
    "text",
    "tspan",
];

/// Elements without an end.
const VOID: &[&str] = &["meta", "input"];

/// Attributes of `templates/report.html`; none of them runs anything.
const ATTRIBUTES: &[&str] = &[
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "rel",
    "role",
    "aria-label",
    "aria-live",
    "hidden",
    "open",
    "tabindex",
    "type",
    "value",
    "autocomplete",
    "placeholder",
    "viewBox",
    "width",
    "height",
    "x",
    "y",
    "d",
];

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn sees_what_is_not_ours() {
        assert_eq!(elements("<p>a &lt; b</p><input hidden>"), ["p", "input"]);
        for wrong in [
            "<p><img></p>",
            "<p onclick=\"x\"></p>",
            "<p>a & b</p>",
            "<p>a > b</p>",
            "<p><b></p></b>",
            "<a href=\"javascript:x\"></a>",
        ] {
            assert!(
                std::panic::catch_unwind(|| elements(wrong)).is_err(),
                "{wrong}"
            );
        }
    }
}
