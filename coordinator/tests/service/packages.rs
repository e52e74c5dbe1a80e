//! Uploads: whole archives and in parts; damaged, repeated and conflicting ones; deletion.

use pilotage_bundle::{Objects, archive, pack};
use pilotage_client::ClientError;
use pilotage_shared::api::v1::{ManifestKnown, PackageView};
use serde_json::{Value, json};

use crate::running::{Running, problem, tar};

async fn upload(running: &Running, version: &str, bytes: Vec<u8>) -> Result<PackageView, ClientError> {
    let path = format!("/v1/packages?app=web&version={version}");
    running.client.upload(&path, "application/octet-stream", None, move |w| w.write_all(&bytes)).await
}

const SPEC: (&str, &str) = ("appspec.yml", "version: 0.0\nos: linux\n");

#[tokio::test(flavor = "multi_thread")]
async fn a_version_never_changes_and_bad_archives_are_refused() {
    let running = Running::start().await;
    let good = tar(&[SPEC, ("app", "1")]);
    let first = upload(&running, "1.0.0", good.clone()).await.unwrap();
    assert_eq!(upload(&running, "1.0.0", good.clone()).await.unwrap().digest, first.digest, "the same again is fine");
    assert_eq!(problem(upload(&running, "1.0.0", tar(&[SPEC, ("app", "2")])).await).code, "version-taken");
    for (what, bytes) in [
        ("cut", good[..700].to_vec()),
        ("no archive", b"hello".repeat(300)),
        ("no appspec", tar(&[("app", "1")])),
        ("climbs out", tar(&[SPEC, ("../evil", "x")])),
        ("absolute", tar(&[SPEC, ("/etc/evil", "x")])),
        ("twice", tar(&[SPEC, ("app", "1"), ("app", "2")])),
    ] {
        assert_eq!(problem(upload(&running, "2.0.0", bytes).await).code, "package-invalid", "{what}");
    }
    assert_eq!(problem(upload(&running, "", good.clone()).await).code, "bad-request");
    let list: Value = running.client.get("/v1/packages?app=web").await.unwrap();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "nothing was changed");
    let uploads = std::fs::read_dir(running.folder.path().join("state/packages/uploads")).unwrap();
    assert_eq!(uploads.count(), 0, "no upload is left behind");
    running.client.delete("/v1/packages/web@1.0.0?reason=old", None).await.unwrap();
    assert_eq!(problem(running.client.get::<Value>("/v1/packages/web@1.0.0").await).code, "unknown-package");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_sent_in_parts_and_only_what_is_missing() {
    let running = Running::start().await;
    running.add_package("1.0.0").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.tar");
    std::fs::write(&path, tar(&[SPEC, ("app", "1.1.0"), ("more", "more")])).unwrap();
    let objects = Objects::open(&folder.path().join("objects")).unwrap();
    let manifest = archive::build(&path, &objects, None).unwrap().manifest;
    let text = manifest.encode().into_bytes();
    let named = "app=web&version=1.1.0";
    let path = format!("/v1/packages/manifest?{named}");
    let send = async |text: Vec<u8>| running.client.upload::<ManifestKnown, _>(&path, "text/plain", None, move |w| w.write_all(&text)).await;
    let known = send(text.clone()).await.unwrap();
    assert_eq!((known.digest, known.missing.len(), known.exists), (manifest.digest(), 2, false), "the AppSpec is there already");
    let create = json!({"app": "web", "version": "1.1.0", "digest": known.digest});
    assert_eq!(problem(running.client.post::<_, Value>("/v1/packages/create", &create, None).await).code, "incomplete");
    let mut stream = Vec::new();
    pack::write(&objects, known.missing.iter().copied(), &mut stream).unwrap();
    let mut damaged = stream.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let to = format!("/v1/objects?manifest={}", known.digest);
    let put = async |bytes: Vec<u8>| running.client.upload::<(), _>(&to, "application/octet-stream", None, move |w| w.write_all(&bytes)).await;
    assert_eq!(problem(put(damaged).await).code, "package-invalid");
    put(stream).await.unwrap();
    let made: PackageView = running.client.post("/v1/packages/create", &create, None).await.unwrap();
    assert_eq!((made.package.as_str(), made.files, made.digest), ("web@1.1.0", 3, manifest.digest()));
    assert!(send(text).await.unwrap().exists);
    let bad = problem(send(b"pilotage-manifest 1\nnonsense\n".to_vec()).await);
    assert_eq!(bad.code, "version-taken", "another manifest under the version");
}
