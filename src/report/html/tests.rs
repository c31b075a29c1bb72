use super::*;

#[test]
fn style_and_script_stay_in_their_elements() {
    for text in [STYLE, SCRIPT] {
        assert!(
            !text.contains("</") && !text.contains("<!--"),
            "ends its element"
        );
    }
    assert!(
        !STYLE.contains("url(") && !STYLE.contains("@import"),
        "asks somebody"
    );
    for asks in ["fetch(", "XMLHttp", "import(", "outerHTML", "eval("] {
        assert!(!SCRIPT.contains(asks), "{asks}");
    }
    // What the template has escaped, and nothing else.
    let made = SCRIPT.matches("innerHTML").count();
    let of_template = "late.parentElement.innerHTML = late.textContent;";
    assert_eq!([made, SCRIPT.matches(of_template).count()], [1, 1]);
}

#[test]
fn nothing_to_show_is_a_page_too() {
    let run = RunOutcome::new(crate::outcome::TargetInfo::default(), 0, Vec::new());
    let mut out = Vec::new();
    write(&run, &Context::default(), &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    assert!(page.contains("<b>0</b> of 0 requirements judged"), "{page}");
    assert!(page.ends_with("</html>\n") || page.ends_with("</html>"));
}
