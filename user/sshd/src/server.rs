//! Accepting connections: how many, for how long without a login, and what is logged.

use crate::{Options, keys, login::Login};
use russh::server::{Config, run_stream};
use russh::{Disconnect, MethodKind, MethodSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whoever has not logged in by then is disconnected.
const LOGIN_GRACE: Duration = Duration::from_secs(60);
/// Connections at once that have not logged in yet; more are turned away.
const STRANGERS: usize = 32;
const ATTEMPTS: usize = 6;

pub async fn serve(options: Options) -> Result<(), String> {
    let config = Arc::new(Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: Duration::from_secs(1),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![keys::host_key(&options.folder)?],
        max_auth_attempts: ATTEMPTS,
        inactivity_timeout: None,
        keepalive_interval: Some(Duration::from_secs(60)),
        nodelay: true,
        ..Config::default()
    });
    let authorized = Arc::new(keys::authorized(&options.folder));
    let listener = TcpListener::bind(("0.0.0.0", options.port))
        .await
        .map_err(|error| format!("port {}: {error}", options.port))?;
    eprintln!(
        "sshd: listening on port {}, {} key(s) may log in",
        options.port,
        authorized.len()
    );
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors or memory: give the sessions time to end some.
                eprintln!("sshd: accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match Arc::clone(&strangers).try_acquire_owned() {
            Ok(permit) => {
                let login = Login::new(peer, Arc::clone(&authorized));
                tokio::spawn(connection(Arc::clone(&config), stream, peer, login, permit));
            }
            Err(_) => eprintln!("sshd: {peer}: turned away, {STRANGERS} logins are under way"),
        }
    }
}

async fn connection(
    config: Arc<Config>,
    stream: TcpStream,
    peer: SocketAddr,
    login: Login,
    permit: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let mut entered = login.entered();
    let session = match tokio::time::timeout(LOGIN_GRACE, run_stream(config, stream, login)).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return eprintln!("sshd: {peer}: {error}"),
        Err(_) => return eprintln!("sshd: {peer}: no SSH greeting within {LOGIN_GRACE:?}"),
    };
    let handle = session.handle();
    let grace = tokio::spawn(async move {
        if tokio::time::timeout(LOGIN_GRACE, entered.wait_for(|entered| *entered))
            .await
            .is_err()
        {
            eprintln!("sshd: {peer}: no login within {LOGIN_GRACE:?}");
            let _ = handle
                .disconnect(
                    Disconnect::ByApplication,
                    "login took too long".into(),
                    String::new(),
                )
                .await;
        }
        drop(permit);
    });
    match session.await {
        Ok(()) => {}
        Err(russh::Error::Disconnect | russh::Error::HUP) => {}
        Err(error) => eprintln!("sshd: {peer}: {error}"),
    }
    grace.abort();
}
