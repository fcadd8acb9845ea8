//! Bytes written past the HTTP server, for faults that HTTP would not allow.

use super::stream::Stream;
use crate::api::reply::Reply;
use bytes::Bytes;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

/// What to write, and how to leave the connection.
pub struct Script {
    pub steps: Vec<Step>,
    pub end: End,
}

pub enum Step {
    Write(Bytes),
    Sleep(Duration),
    Fill(Fill),
}

/// One piece over and over: for ever, or `total` bytes.
pub struct Fill {
    pub piece: Bytes,
    pub total: Option<u64>,
    pub every: Duration,
}

pub enum End {
    Close,
    Reset,
    /// Stay silent until the client leaves.
    Hang,
}

/// The header of an answer; without a length it announces chunks.
pub fn head(reply: &Reply, length: Option<u64>) -> Bytes {
    let mut text =
        format!("HTTP/1.1 {} Simulated\r\ncontent-type: {}\r\n", reply.status, reply.content_type);
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    match length {
        Some(length) => text.push_str(&format!("content-length: {length}\r\n\r\n")),
        None => text.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    text.into()
}

/// Plays a script. An error means the client left, which is nobody's problem here.
pub async fn play(script: Script, mut stream: Stream) {
    let played = play_steps(script.steps, &mut stream).await;
    match script.end {
        _ if played.is_err() => {}
        End::Close => {
            let _ = stream.shutdown().await;
        }
        End::Reset => stream.reset_on_close(),
        End::Hang => {
            let mut unheard = [0; 1024];
            while matches!(stream.read(&mut unheard).await, Ok(n) if n > 0) {}
        }
    }
}

async fn play_steps(steps: Vec<Step>, stream: &mut Stream) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Write(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Step::Sleep(time) => sleep(time).await,
            Step::Fill(fill) => write_fill(fill, stream).await?,
        }
    }
    Ok(())
}

async fn write_fill(fill: Fill, stream: &mut Stream) -> io::Result<()> {
    let mut left = fill.total.unwrap_or(u64::MAX);
    while left > 0 {
        let size = left.min(fill.piece.len() as u64);
        stream.write_all(&fill.piece[..size as usize]).await?;
        stream.flush().await?;
        if fill.total.is_some() {
            left -= size;
        }
        if !fill.every.is_zero() {
            sleep(fill.every).await;
        }
    }
    Ok(())
}
