//! Where a key stands that somebody has written, and whether it may be changed there. For [`super::Draft`].

use super::super::layers::{self, Layers};
use super::super::schema::{self, Kind, Schema, Section};
use super::{EditError, NOT_IN_DATABASE};

/// Where a key stands.
pub(super) struct Place<'a> {
    pub(super) section: Option<&'a Section>,
    pub(super) object: Option<String>,
    pub(super) key: String,
    pub(super) kind: Kind,
}

impl<'a> Place<'a> {
    /// Reads a key as people write it.
    pub(super) fn find(written: &str, schema: &'a Schema) -> Result<Self, EditError> {
        let unknown = |near: Option<String>| EditError::UnknownKey { key: written.to_owned(), near };
        let top = written.split('.').next().unwrap_or(written);
        if NOT_IN_DATABASE.contains(&top) {
            return Err(EditError::NotHere { key: written.to_owned() });
        }
        let Some((section_name, rest)) = written.split_once('.') else {
            let kind = schema.top.kind(written).filter(|_| schema.section(written).is_none());
            let near = || schema::nearest(written, schema.top.keys()).map(str::to_owned);
            let kind = kind.ok_or_else(|| unknown(near()))?;
            return Ok(Self { section: None, object: None, key: written.to_owned(), kind });
        };
        let section = schema.section(section_name).ok_or_else(|| {
            let names = schema.sections().iter().map(|section| section.name);
            unknown(schema::nearest(section_name, names).map(|near| format!("{near}.{rest}")))
        })?;
        if section.identity.is_some() {
            let (object, key) = rest.rsplit_once('.').ok_or_else(|| unknown(None))?;
            return Self::in_list(section.name, object, key, schema);
        }
        let kind = section.kind(rest).ok_or_else(|| {
            unknown(schema::nearest(rest, section.keys()).map(|near| format!("{section_name}.{near}")))
        })?;
        Ok(Self { section: Some(section), object: None, key: rest.to_owned(), kind })
    }

    pub(super) fn in_list(
        section: &'static str,
        object: &str,
        key: &str,
        schema: &'a Schema,
    ) -> Result<Self, EditError> {
        let unknown = |near: Option<String>| EditError::UnknownKey { key: format!("{section}.{object}.{key}"), near };
        let section = schema.section(section).ok_or_else(|| unknown(None))?;
        let kind = section.kind(key).ok_or_else(|| {
            unknown(schema::nearest(key, section.keys()).map(|near| format!("{}.{object}.{near}", section.name)))
        })?;
        Ok(Self { section: Some(section), object: Some(object.to_owned()), key: key.to_owned(), kind })
    }

    /// The path under which the layers know it.
    fn path(&self, layers: &Layers) -> Option<String> {
        match (self.section, &self.object) {
            (None, _) => Some(self.key.clone()),
            (Some(section), None) => Some(format!("{}.{}", section.name, self.key)),
            (Some(section), Some(object)) => {
                let place = layers.names(section).position(|name| name == object)?;
                Some(format!("{}[{place}].{}", section.name, self.key))
            }
        }
    }

    pub(super) fn check_unlocked(&self, layers: &Layers) -> Result<(), EditError> {
        let Some(path) = self.path(layers) else { return Ok(()) };
        let section = path.rsplit_once('.').map(|(section, _)| format!("{section}.")).unwrap_or_default();
        // password_hash is locked where the file has a password_file.
        for key in layers::one_of(&self.key.as_str()) {
            let path = format!("{section}{key}");
            let origin = layers.origin_of_value(&path);
            if origin.is_locked() {
                return Err(EditError::Locked { key: layers.spoken(&path), origin });
            }
        }
        Ok(())
    }
}
