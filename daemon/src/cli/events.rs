//! Shows what happened.

use super::client::Client;
use super::out::{self, Format};
use crate::events::Event;
use anyhow::{Context, Result};

/// Show what happened, oldest first: the last few thousand events of the daemon that answers
#[derive(Debug, clap::Args)]
pub(crate) struct EventsArgs {
    /// Go on as they happen, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only those after this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
}

pub(crate) async fn events(client: &Client, args: &EventsArgs, format: Format) -> Result<()> {
    if !args.follow {
        let events: Vec<Event> = client.get(&format!("/v1/events?after={}", args.after)).await?;
        if format == Format::Json {
            return out::json(&events);
        }
        events.iter().for_each(|event| out::line(&line(event)));
        return Ok(());
    }
    let mut response = client.stream(&format!("/v1/events?follow=true&after={}", args.after)).await?;
    let mut buffer = Vec::new();
    while let Some(piece) =
        response.chunk().await.context("the daemon went away while its events were followed")?
    {
        buffer.extend_from_slice(&piece);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let whole: Vec<u8> = buffer.drain(..=end).collect();
            let text = String::from_utf8_lossy(&whole);
            let Some(data) = text.trim_end().strip_prefix("data:") else { continue };
            if format == Format::Json {
                out::line(data.trim_start());
            } else if let Ok(event) = serde_json::from_str(data) {
                out::line(&line(&event));
            }
        }
    }
    Ok(())
}

/// Shows an event in one line, with the time of day where the reader is.
pub(crate) fn line(event: &Event) -> String {
    let time = event.time.parse::<jiff::Timestamp>().map_or_else(
        |_| event.time.clone(),
        |time| time.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string(),
    );
    format!("{time}  {:<9}  {}", event.source, event.text)
}
