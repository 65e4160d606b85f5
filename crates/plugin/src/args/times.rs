//! How a person writes how long.

use federation_health_core::remedy::MAX_APPROVAL_MS;

/// Longest hold that a person may ask for at once: a forgotten one must end within a week.
const LONGEST: i64 = 7 * 86_400;

const USE: &str = "write a time such as 90m, 2h or 1h30m";

/// Reads 90m, 2h, 1h30m, 1d.
pub fn seconds(text: &str) -> Result<i64, String> {
    match sum(text)? {
        0 => Err(USE.to_owned()),
        long if long > LONGEST => Err("at most 7d: ask again when it ends".to_owned()),
        total => Ok(total),
    }
}

/// A request's timeout as kubectl takes it: seconds, or with units.
pub fn timeout(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let total = sum(text).map_err(|_| "write a time such as 30, 30s or 2m".to_owned())?;
    Ok(total.unsigned_abs())
}

fn sum(text: &str) -> Result<i64, String> {
    let (mut total, mut digits) = (0_i64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(USE.to_owned()),
        };
        let count: i64 = digits.parse().map_err(|_| USE.to_owned())?;
        digits.clear();
        total = total.saturating_add(count.saturating_mul(unit));
    }
    if !digits.is_empty() || text.is_empty() {
        return Err(USE.to_owned());
    }
    Ok(total)
}

/// The same, within the longest life of an approval.
pub fn approval(text: &str) -> Result<i64, String> {
    let longest = MAX_APPROVAL_MS / 1000;
    match seconds(text)? {
        long if long > longest => {
            Err("at most 24h: whoever approves is awake and knows what is going on".to_owned())
        }
        short => Ok(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_lasts_a_day_at_most() {
        assert_eq!(approval("24h"), Ok(86_400));
        assert!(approval("25h").is_err());
    }

    #[test]
    fn a_timeout_is_read_as_kubectl_reads_it() {
        for (text, read) in [("30", 30), ("30s", 30), ("2m", 120), ("0", 0), ("0s", 0)] {
            assert_eq!(timeout(text), Ok(read), "{text}");
        }
        for wrong in ["", "s", "-1", "30x"] {
            assert!(timeout(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_with_their_units_and_nothing_else() {
        assert_eq!(seconds("1h30m"), Ok(5400));
        assert_eq!(seconds("7d"), Ok(LONGEST));
        for wrong in ["", "2", "h", "2w", "0s", "8d", "99999999999999999999h"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
