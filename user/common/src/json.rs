//! Just enough JSON to write: objects of numbers and strings.

use std::fmt::{Display, Write};

#[derive(Default)]
pub struct Object(String);

impl Object {
    pub fn raw(mut self, name: &str, value: impl Display) -> Self {
        let separator = if self.0.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{separator}\"{name}\":{value}");
        self
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, quoted(value))
    }

    pub fn list(self, name: &str, items: impl IntoIterator<Item = Object>) -> Self {
        let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
        self.raw(name, format!("[{}]", items.join(",")))
    }
}

impl Display for Object {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{{{}}}", self.0)
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    #[test]
    fn objects_are_valid_json() {
        let inner = super::Object::default()
            .raw("cpu", 0)
            .text("name", "a\"b\n");
        let outer = super::Object::default().list("cpus", [inner]);
        assert_eq!(
            outer.to_string(),
            r#"{"cpus":[{"cpu":0,"name":"a\"b\u000a"}]}"#
        );
    }
}
