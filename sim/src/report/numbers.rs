//! Numbers and lists for people.

/// Writes a number with a thin gap between thousands.
pub(super) fn figure(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes how many there are of something.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", figure(number), if number == 1 { one } else { many })
}

/// Writes thousandths as percent.
pub(super) fn percent(thousandths: u32) -> String {
    format!("{} %", (thousandths + 5) / 10)
}

/// Writes names as a sentence has them, the first few of so many.
pub(super) fn names<T: AsRef<str>>(names: &[T], all: u64) -> String {
    let listed: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match all.saturating_sub(listed.len() as u64) {
        0 => match listed.as_slice() {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        },
        more => format!("{} and {} more", listed.join(", "), figure(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(figure(number), text);
        }
    }

    #[test]
    fn names_read_like_a_sentence() {
        for (all, text) in [(1, "a"), (2, "a and b"), (5, "a, b, c and 2 more")] {
            let listed = ["a", "b", "c"];
            assert_eq!(names(&listed[..listed.len().min(usize::try_from(all).unwrap())], all), text);
        }
    }
}
