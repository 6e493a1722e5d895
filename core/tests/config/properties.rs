//! No bytes whatsoever make reading panic, nor take long, nor come out of a message as they went in.

use super::{DEFINITION, DOCKER, SERVICE, changed};
use callboard_core::config::{DEPTH_MAX, FILE_BYTES_MAX, parse, read};
use proptest::prelude::*;

/// Expects of bytes that are no configuration file how their mistake begins.
fn check(bytes: &[u8], expect: &str) {
    let mistakes = read("web.yml", bytes).expect_err("is refused");
    assert_eq!(mistakes[0].to_string(), expect);
}

#[test]
fn what_is_no_text_is_refused() {
    check(b"hosts:\n- name: \xff", "web.yml:2: the file is not UTF-8; save it as UTF-8");
    check(b"\xff\xfeh\0", "web.yml: the file is UTF-16, expected UTF-8; save it as UTF-8");
    check(b"\xfe\xff\0h", "web.yml: the file is UTF-16, expected UTF-8; save it as UTF-8");
    check(b"a: 1\nb\0: 2", "web.yml:2: found \"\\0\", control characters are not allowed; remove it");
    check(b"# \x1b[2J", "web.yml:1: found \"\\u{1b}\", control characters are not allowed; remove it");
    assert!(read("web.yml", b"\xef\xbb\xbfhosts: []").is_ok());
}

#[test]
fn files_are_limited() {
    let large = vec![b'#'; FILE_BYTES_MAX + 1];
    let expect = "web.yml: the file has 1048577 bytes, expected at most 1048576; split it into several files";
    check(&large, expect);
    let deep = "web.yml:1: nested more than 32 deep";
    check("[".repeat(10_000).as_bytes(), deep);
    check("{a: ".repeat(10_000).as_bytes(), deep);
    check("- ".repeat(10_000).as_bytes(), deep);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse("web.yml", nested(DEPTH_MAX).as_bytes()).is_ok());
    assert!(parse("web.yml", nested(DEPTH_MAX + 1).as_bytes()).is_err());
    assert!(parse("web.yml", format!("- a:\n  - {}", nested(DEPTH_MAX - 3)).as_bytes()).is_ok());
    assert!(parse("web.yml", format!("- a:\n  - {}", nested(DEPTH_MAX - 2)).as_bytes()).is_err());
}

#[test]
fn a_record_fits_the_store() {
    let command = |length: usize| changed(DOCKER, &format!("cmd: [{}]", "a".repeat(length)));
    assert!(read("web.yml", command(64_000).as_bytes()).is_ok());
    check(
        command(66_000).as_bytes(),
        "web.yml:3: task_definitions[0]: found an object, which takes 66352 bytes in the store, \
         expected at most 65536; move long commands into the image or artifact",
    );
}

/// Shapes that make some readers take quadratic time or more: an eighth of the largest file would then take minutes.
#[test]
fn large_files_are_read_quickly() {
    let shapes = [
        "- a\n",
        "a: b\n",
        "[",
        "{",
        "? ",
        ": ",
        "- ",
        "a: ",
        "'",
        "\"",
        "&a ",
        "*a ",
        "! ",
        "|\n",
        "\n",
        " ",
        "a",
        "\\",
        "- [a, b]\n",
        "a b ",
        "{a: b}, ",
        "---\n",
        "\t",
        "%a\n",
        "# a\n",
        "a:\n ",
        "é",
        "hosts: {",
        "0",
        "- {name: A}\n",
        "\"a\" ",
        "[a: ",
    ];
    for shape in shapes {
        for start in ["", "hosts:\n", "hosts: [", "a: \"", "a: |\n "] {
            let text = format!("{start}{}", shape.repeat(FILE_BYTES_MAX / 8 / shape.len()));
            let began = std::time::Instant::now();
            let _ = read("web.yml", text.as_bytes());
            assert!(began.elapsed().as_secs() < 10, "{start}{shape}... took {:?}", began.elapsed());
        }
    }
}

/// Reads, and makes sure that every message is one line of printable text that names the file.
fn is_orderly(bytes: &[u8]) -> Result<(), TestCaseError> {
    for mistake in read("web.yml", bytes).err().unwrap_or_default() {
        let message = mistake.to_string();
        prop_assert!(message.starts_with("web.yml:"), "{}", message);
        prop_assert!(!message.contains(char::is_control), "{:?}", message);
        prop_assert!(message.chars().count() < 700, "{}", message);
    }
    Ok(())
}

fn valid() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(SERVICE.to_string()),
        Just(DOCKER.to_string()),
        Just(changed(
            &changed(DEFINITION, "provide_port: true"),
            "checks: [{http: \"http://a\", interval: 5s}]"
        )),
        Just(changed(DEFINITION, "restart: {attempts: 1, delay: 250ms}")),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        is_orderly(&bytes)?;
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}") {
        is_orderly(text.as_bytes())?;
    }

    #[test]
    fn any_yaml_is_answered(words in prop::collection::vec("(services|hosts|name|: |- |\\[|\\]|\\{|\\}|, |\n|  |\"|'|[|]|[&]a|[*]a|!|#|[?] |null|1|a|\t|\\\\)", 0..40)) {
        is_orderly(words.concat().as_bytes())?;
    }

    #[test]
    fn any_change_of_a_valid_file_is_answered(file in valid(), at in any::<prop::sample::Index>(), cut in 0_usize..8, new in "(|[ -~]{1,6}|\n|\t|\\PC)") {
        let mut chars: Vec<char> = file.chars().collect();
        let at = at.index(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, new.chars());
        is_orderly(chars.into_iter().collect::<String>().as_bytes())?;
    }

    /// What is accepted can be written and read again.
    #[test]
    fn what_is_accepted_comes_back(file in valid(), at in any::<prop::sample::Index>(), new in "[0-9a-z:/. -]{1,3}") {
        let mut chars: Vec<char> = file.chars().collect();
        let at = at.index(chars.len());
        chars.splice(at..at + 1, new.chars());
        let file: String = chars.into_iter().collect();
        if let Ok(first) = read("web.yml", file.as_bytes()) {
            let written = serde_json::to_string(&first.value).expect("serializes");
            let again = read("web.yml", written.as_bytes()).map(|sourced| sourced.value);
            prop_assert_eq!(again, Ok(first.value), "{}", written);
        }
    }
}
