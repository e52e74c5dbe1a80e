//! What `codedeploy-local` users have in their fingers (N1).

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pilotage_shared::file_exists::FileExists;

/// Flags of `pilotage-agent local`.
#[derive(Args, Clone)]
pub struct Flags {
    /// The bundle: a folder or an archive on this host, also as `file:PATH`.
    #[arg(short = 'l', long, value_name = "LOCATION", default_value = ".", hide_default_value = true)]
    pub bundle_location: String,
    /// What the bundle is.
    #[arg(short = 't', long = "type", value_enum, default_value = "directory")]
    pub kind: Type,
    /// When a file is there that this group did not install; the AppSpec's own word wins.
    #[arg(short = 'b', long, value_enum, ignore_case = true, default_value = "DISALLOW")]
    pub file_exists_behavior: Behavior,
    /// The deployment group: its folder below root_dir, and DEPLOYMENT_GROUP_ID.
    #[arg(short = 'g', long, value_name = "GROUP", default_value = "default-local-deployment-group")]
    pub deployment_group: String,
    /// DEPLOYMENT_GROUP_NAME.
    #[arg(short = 'd', long, value_name = "NAME", default_value = "LocalFleet")]
    pub deployment_group_name: String,
    /// APPLICATION_NAME; else the bundle's location.
    #[arg(short = 'a', long, value_name = "NAME")]
    pub application_name: Option<String>,
    /// Hooks of these events only, separated by commas; DownloadBundle and Install always happen.
    #[arg(short = 'e', long, value_delimiter = ',', value_name = "EVENTS")]
    pub events: Vec<String>,
    /// CodeDeploy's configuration (YAML); else /etc/codedeploy-agent/conf/codedeployagent.yml, when it is there.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub agent_configuration_file: Option<PathBuf>,
    /// The AppSpec's name in the bundle; else appspec.yml or appspec.yaml.
    #[arg(short = 'A', long, value_name = "NAME")]
    pub appspec_filename: Option<String>,
    /// Show the version.
    #[arg(short = 'v', long)]
    pub version: bool,
}

/// Kinds of bundles. Archives are recognised by their content, whichever of the three names is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// A compressed tar.
    Tgz,
    /// A tar.
    Tar,
    /// A zip.
    Zip,
    /// A folder.
    Directory,
}

/// `file_exists_behavior`, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum Behavior {
    /// The deployment fails.
    Disallow,
    /// It is replaced.
    Overwrite,
    /// It stays.
    Retain,
}

impl From<Behavior> for FileExists {
    fn from(behavior: Behavior) -> Self {
        match behavior {
            Behavior::Disallow => FileExists::Disallow,
            Behavior::Overwrite => FileExists::Overwrite,
            Behavior::Retain => FileExists::Retain,
        }
    }
}
