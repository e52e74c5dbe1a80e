//! Access control entries: `[d[efault]:][u[ser]|g[roup]|m[ask]|o[ther]:][name]:perms`.

/// One entry in canonical form, or what is wrong with it.
pub fn canonical_acl(text: &str) -> Result<String, String> {
    let mut parts: Vec<&str> = text.split(':').collect();
    let bad = |why: &str| Err(format!("the access control entry {text:?} {why}"));
    if !(2..=4).contains(&parts.len()) {
        return bad("must have 2 to 4 parts, as user:bob:rwx");
    }
    let default = matches!(parts[0], "d" | "default");
    if default {
        parts.remove(0);
    }
    let kind = |t: &str| match t {
        "u" | "user" => Some("user"),
        "g" | "group" => Some("group"),
        "m" | "mask" => Some("mask"),
        "o" | "other" => Some("other"),
        _ => None,
    };
    let (kind, name, perms) = match parts.as_slice() {
        [kind_or_name, perms] => match kind(kind_or_name) {
            Some(kind) => (kind, "", *perms),
            None => ("user", *kind_or_name, *perms),
        },
        [first, name, perms] => match kind(first) {
            Some(kind) => (kind, *name, *perms),
            None => return bad("must begin with user, group, mask or other"),
        },
        _ => return bad("must have a type, a name and permissions"),
    };
    if matches!(kind, "mask" | "other") && !name.is_empty() {
        return bad("names somebody for a mask or for others");
    }
    if !default && name.is_empty() && kind != "mask" {
        return bad("changes the owner, the group or others: use mode");
    }
    let Some(perms) = permissions(perms) else { return bad("must end in permissions: r, w, x, - or one digit 0 to 7") };
    Ok(format!("{}{kind}:{name}:{perms}", if default { "default:" } else { "" }))
}

fn permissions(text: &str) -> Option<String> {
    let bits = match text.as_bytes() {
        [digit @ b'0'..=b'7'] => digit - b'0',
        bytes => bytes.iter().try_fold(0, |bits, c| match c {
            b'r' => Some(bits | 4),
            b'w' => Some(bits | 2),
            b'x' => Some(bits | 1),
            b'-' => Some(bits),
            _ => None,
        })?,
    };
    Some([(4, 'r'), (2, 'w'), (1, 'x')].iter().map(|(bit, c)| if bits & bit > 0 { *c } else { '-' }).collect())
}
