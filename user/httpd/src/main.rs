//! `httpd`: serves the files below one folder, and `/cpu.json`: what the CPUs did lately.
//!
//! HTTP/1.1, GET and HEAD, a thread per connection, one request per connection.

mod answer;

use answer::Answer;
use common::arguments::{self, value};
use common::cpus::Sample;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that is longer or slower than this is not answered.
const LONGEST_REQUEST: u64 = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// What all connections share.
pub struct Site {
    folder: PathBuf,
    /// The end of the interval that the last `/cpu.json` covered.
    last: Mutex<Sample>,
}

fn main() -> ExitCode {
    arguments::run("httpd", || {
        let (port, folder) = parse()?;
        let listener = TcpListener::bind(("0.0.0.0", port))
            .map_err(|error| format!("port {port}: {error}"))?;
        eprintln!("httpd: {} on port {port}", folder.display());
        let site = Arc::new(Site {
            folder,
            last: Mutex::new(Sample::take()?),
        });
        for stream in listener.incoming().flatten() {
            let site = Arc::clone(&site);
            let serve = move || drop(serve(stream, &site));
            if let Err(error) = std::thread::Builder::new()
                .name("request".into())
                .spawn(serve)
            {
                eprintln!("httpd: {error}");
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn parse() -> Result<(u16, PathBuf), String> {
    use lexopt::prelude::*;
    let (mut port, mut folder) = (80, PathBuf::from("/srv/www"));
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('p') | Long("port") => port = value(&mut parser)?,
            Value(path) => folder = path.into(),
            other => {
                return Err(format!(
                    "{}\nusage: httpd [-p PORT] [FOLDER]",
                    other.unexpected()
                ));
            }
        }
    }
    Ok((port, folder))
}

fn serve(stream: TcpStream, site: &Site) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new((&stream).take(LONGEST_REQUEST)).lines();
    let Some(request) = lines.next().transpose()? else {
        return Ok(());
    };
    while let Some(header) = lines.next().transpose()? {
        if header.is_empty() {
            break;
        }
    }
    let mut words = request.split_whitespace();
    let answer = match (words.next(), words.next()) {
        (Some("GET" | "HEAD"), Some("/cpu.json")) => Answer::cpus(site),
        (Some("GET" | "HEAD"), Some(path)) => Answer::file(site, path),
        (Some(_), Some(_)) => Answer::error("405 Method Not Allowed"),
        _ => Answer::error("400 Bad Request"),
    };
    answer.send(&mut &stream, request.starts_with("HEAD "))?;
    (&stream).flush()
}
