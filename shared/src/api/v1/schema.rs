//! How the domain's own types stand in the OpenAPI document: as the texts that people write.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Span, When};
use crate::digest::Digest;
use crate::ids::DeploymentId;
use crate::name::{AppName, FleetName, HostName};
use crate::policy::Amount;
use crate::selector::Selector;
use crate::text::Text;

fn text(description: &str, example: &str, pattern: Option<&str>) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).description(Some(description)).examples([example]);
    if let Some(pattern) = pattern {
        object = object.pattern(Some(pattern));
    }
    RefOr::T(Schema::Object(object.build()))
}

const NAME: Option<&str> = Some("^[a-z0-9][a-z0-9._-]{0,62}$");

macro_rules! texts {
    ($($name:ident: $description:literal, $example:literal, $pattern:expr;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> { text($description, $example, $pattern) }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> { stringify!($name).into() }
        }
    )*};
}

texts! {
    AppName: "An app", "web", NAME;
    FleetName: "A fleet", "web-prod", NAME;
    HostName: "A host", "h1", NAME;
    DeploymentId: "A deployment: the n-th of its fleet", "web-prod.87", None;
    Digest: "A SHA-256", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Some("^sha256:[0-9a-f]{64}$");
    Amount: "A number of hosts: a count, a percentage, or all but so many", "66%", Some("^([0-9]+|[0-9]+%|all-[0-9]+)$");
    Selector: "Conditions on labels, joined by AND", "env=prod,zone in (a,b)", None;
    Span: "A span of time", "30s", Some("^[0-9]+(ms|s|m|h|d)$");
}

impl PartialSchema for When {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        let object = object.format(Some(SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)));
        RefOr::T(Schema::Object(object.examples(["2026-11-23T03:03:07Z"]).build()))
    }
}
impl ToSchema for When {
    fn name() -> Cow<'static, str> {
        "When".into()
    }
}

impl<const N: usize> PartialSchema for Text<N> {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        RefOr::T(Schema::Object(object.max_length(Some(N)).description(Some("Text without control characters")).build()))
    }
}
impl<const N: usize> ToSchema for Text<N> {
    fn name() -> Cow<'static, str> {
        format!("Text{N}").into()
    }
}
