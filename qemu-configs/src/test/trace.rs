//! Whether an exported trace is what viewers take: Chrome's format, read with somebody else's
//! parser.
//!
//! A slice ("X") is a beginning and an end in one. On a track they must lie side by side or one in
//! another; every track with slices has a name; an arrow begins before it ends.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Process and thread.
type Track = (u64, u64);

/// Everything in order; else what is not.
pub fn check(text: &str) -> Result<(), String> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let events = file["traceEvents"].as_array().ok_or("no traceEvents")?;
    let (mut slices, mut arrows) = (BTreeMap::<Track, Vec<_>>::new(), BTreeMap::new());
    let mut named = BTreeSet::new();
    for event in events {
        let wrong = |what| format!("{what} in {event}");
        let number = |key: &str| event[key].as_u64().ok_or_else(|| wrong("no number"));
        let track = (number("pid")?, number("tid")?);
        let start = || nanoseconds(&event["ts"]).ok_or_else(|| wrong("no time"));
        match event["ph"].as_str() {
            Some("M") if event["name"] == "thread_name" => {
                let name = event["args"]["name"].as_str();
                name.filter(|name| !name.is_empty())
                    .ok_or_else(|| wrong("no name"))?;
                named.insert(track);
            }
            Some("M") => {}
            Some("X") => {
                let length = nanoseconds(&event["dur"]).ok_or_else(|| wrong("no length"))?;
                let slice = (start()?, start()? + length);
                slices.entry(track).or_default().push(slice);
            }
            Some("s") => drop(arrows.insert(number("id")?, start()?)),
            Some("f") => {
                let from = arrows.remove(&number("id")?);
                let forward = from.is_some_and(|from| Ok(from) <= start());
                forward.then_some(()).ok_or_else(|| wrong("no beginning"))?;
            }
            Some("i") => drop(start()?),
            _ => return Err(wrong("an unknown phase")),
        }
    }
    if !arrows.is_empty() {
        return Err(format!("arrows without an end: {arrows:?}"));
    }
    slices.into_iter().try_for_each(|(track, slices)| {
        let name = named.contains(&track).then_some(());
        name.ok_or_else(|| format!("track {track:?} has no name"))?;
        nest(slices).map_err(|why| format!("track {track:?}: {why}"))
    })
}

/// Times are microseconds with three decimals.
fn nanoseconds(time: &Value) -> Option<u64> {
    let us = time.as_f64().filter(|us| *us >= 0.0)?;
    Some((us * 1000.0).round() as u64)
}

fn nest(mut slices: Vec<(u64, u64)>) -> Result<(), String> {
    // Of two that begin together the longer one is outside.
    slices.sort_by_key(|&(start, end)| (start, std::cmp::Reverse(end)));
    let mut open: Vec<(u64, u64)> = Vec::new();
    for slice in slices {
        while open.last().is_some_and(|outer| outer.1 <= slice.0) {
            open.pop();
        }
        if let Some(outer) = open.last().filter(|outer| outer.1 < slice.1) {
            return Err(format!("{slice:?} begins in {outer:?} and ends outside"));
        }
        open.push(slice);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    const NAME: &str = r#"{"ph":"M","name":"thread_name","pid":1,"tid":2,"args":{"name":"CPU 1"}}"#;

    fn slice(start: f64, length: f64) -> String {
        format!(r#"{{"ph":"X","name":"x","pid":1,"tid":2,"ts":{start:.3},"dur":{length:.3}}}"#)
    }

    fn arrow(phase: &str, at: f64) -> String {
        format!(r#"{{"ph":"{phase}","name":"wake","id":7,"pid":1,"tid":2,"ts":{at:.3}}}"#)
    }

    fn file(events: &[String]) -> Result<(), String> {
        check(&format!("{{\"traceEvents\":[{}]}}", events.join(",")))
    }

    #[test]
    fn slices_side_by_side_or_inside_are_in_order() {
        let slices = [slice(1.0, 5.0), slice(2.0, 1.0), slice(6.0, 0.0)];
        let mut events = vec![NAME.to_string(), arrow("s", 1.0), arrow("f", 1.5)];
        events.extend(slices);
        assert_eq!(file(&events), Ok(()));
    }

    #[test]
    fn what_viewers_would_stumble_over_is_found() {
        let wrong = [
            vec![slice(1.0, 5.0)],
            vec![NAME.to_string(), slice(1.0, 5.0), slice(2.0, 9.0)],
            vec![arrow("s", 1.0)],
            vec![arrow("s", 2.0), arrow("f", 1.0)],
            vec!["{}".to_string()],
        ];
        assert!(check("{\"traceEvents\":[{},]}").is_err());
        wrong
            .iter()
            .for_each(|events| assert!(file(events).is_err(), "{events:?}"));
    }
}
