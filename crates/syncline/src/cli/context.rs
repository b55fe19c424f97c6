//! What commands share: the options of all commands, the screen, and where
//! things are found.

use std::path::{Path, PathBuf};

use syncline_admin::ControlClient;
use syncline_contract::Secret;

use super::{Global, Usage};
use crate::config::{self, Config, Endpoint, Select, url};
use crate::output::Screen;

/// Where a configuration is looked for when none is named.
const CONFIG_PLACES: [&str; 2] = ["syncline.yaml", "/etc/syncline"];

/// What a command gets.
#[derive(Debug)]
pub struct Context {
    /// The options of all commands.
    pub global: Global,
    /// Where the answer goes.
    pub screen: Screen,
}

impl Context {
    /// Looks at the terminal.
    pub fn new(global: Global) -> Self {
        let screen = Screen::new(global.output, global.color, &variable);
        Self { global, screen }
    }

    /// The environment.
    pub fn env(&self) -> impl Fn(&str) -> Option<String> + use<> {
        variable
    }

    /// The configuration that is meant.
    ///
    /// # Errors
    /// Where there is none.
    pub fn config_path(&self) -> Result<PathBuf, Usage> {
        if let Some(path) = &self.global.config {
            return Ok(path.clone());
        }
        CONFIG_PLACES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
            .ok_or_else(|| {
                Usage(
                    "there is no syncline.yaml here and none in /etc/syncline; \
                     name one with --config"
                        .to_owned(),
                )
            })
    }

    /// Reads the configuration that is meant.
    ///
    /// # Errors
    /// Where there is none, or something is wrong with it.
    pub fn config(&self) -> anyhow::Result<Config> {
        Ok(config::load(&self.config_path()?, &variable)?)
    }

    /// The folder of the ledger, the cache and the journal.
    pub fn state(&self, config: &Config) -> PathBuf {
        let named = self.global.state.as_deref();
        named
            .or(config.state.as_ref().map(|path| path.as_path()))
            .map_or_else(|| default_state(&variable), Path::to_owned)
    }

    /// The daemon that runs with the configuration or state folder that is
    /// meant.
    ///
    /// # Errors
    /// When there is a configuration and something is wrong with it.
    pub fn daemon(&self) -> anyhow::Result<ControlClient> {
        let config = self.config_if_any()?;
        Ok(match &config.admin.socket {
            Some(socket) => ControlClient::at(socket.as_path()),
            None => ControlClient::of(&self.state(&config)),
        })
    }

    /// The state folder that is meant, whether or not there is a configuration.
    ///
    /// # Errors
    /// When there is a configuration and something is wrong with it.
    pub fn state_folder(&self) -> anyhow::Result<PathBuf> {
        Ok(self.state(&self.config_if_any()?))
    }

    fn config_if_any(&self) -> anyhow::Result<Config> {
        match (&self.global.config, self.config_path()) {
            (None, Err(_)) => Ok(Config::default()),
            _ => self.config(),
        }
    }

    /// The endpoint that a word names: a URL, or a name in the configuration.
    /// A password that is missing is asked for.
    ///
    /// # Errors
    /// When the URL is wrong, or there is no such name.
    pub fn endpoint(&self, word: &str) -> anyhow::Result<(Endpoint, Select)> {
        if url::is_url(word) {
            let mut read = url::parse(word, &variable)?;
            if let Some(user) = read.lacks_password() {
                let password = ask_for_password(user, word)?;
                read = read.with_password(password);
            }
            return Ok((read.endpoint, read.select));
        }
        let path = self.config_path().map_err(|_| {
            Usage(format!(
                "`{word}` is no URL, and there is no configuration that could define it; \
                 a Nacos server is named nacos://{word}"
            ))
        })?;
        let mut config = config::load(&path, &variable)?;
        match config.endpoints.remove(word) {
            Some(endpoint) => Ok((endpoint, Select::default())),
            None => {
                let known = config.endpoints.keys().map(|name| name.as_str());
                let hint = config::did_you_mean(word, known)
                    .unwrap_or_else(|| "a server is named by a URL, such as nacos://host".into());
                let path = path.display();
                Err(Usage(format!("{path} defines no endpoint `{word}`; {hint}")).into())
            }
        }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn ask_for_password(user: &str, word: &str) -> anyhow::Result<Secret> {
    let terminal = console::Term::stderr();
    if !terminal.is_term() {
        let variable = url::PASSWORD_VARIABLE;
        return Err(Usage(format!("set {variable} to the password of `{user}`")).into());
    }
    terminal.write_str(&format!("Password of {user} at {word}: "))?;
    Ok(Secret::new(terminal.read_secure_line()?))
}

/// The state folder where nothing is said: what systemd gives, what the user's
/// session says, or the system's.
fn default_state(env: config::Env<'_>) -> PathBuf {
    let folder = |name: &str| {
        env(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(given) = folder("STATE_DIRECTORY") {
        return given;
    }
    if let Some(state) = folder("XDG_STATE_HOME") {
        return state.join("syncline");
    }
    match folder("HOME") {
        Some(home) if home != Path::new("/root") && home != Path::new("/") => {
            home.join(".local/state/syncline")
        }
        _ => PathBuf::from("/var/lib/syncline"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_goes_where_the_system_keeps_state() {
        let state = |variables: &[(&str, &str)]| {
            default_state(&|name| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            })
        };
        let home = ("HOME", "/home/ada");
        let xdg = ("XDG_STATE_HOME", "/s");
        for (variables, expected) in [
            (&[][..], "/var/lib/syncline"),
            (&[("HOME", "/root")], "/var/lib/syncline"),
            (&[home], "/home/ada/.local/state/syncline"),
            (
                &[home, ("XDG_STATE_HOME", "relative")],
                "/home/ada/.local/state/syncline",
            ),
            (&[home, xdg], "/s/syncline"),
            (
                &[home, xdg, ("STATE_DIRECTORY", "/var/lib/x")],
                "/var/lib/x",
            ),
        ] {
            assert_eq!(state(variables), Path::new(expected));
        }
    }
}
