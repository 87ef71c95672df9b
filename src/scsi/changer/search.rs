//! SEND VOLUME TAG (SMC-3 6.16) and REQUEST VOLUME ELEMENT ADDRESS (SMC-3 6.13): where tapes with such labels are.
//!
//! A session leaves a search and fetches what was found, piece by piece: an element that was sent is not sent again, so that
//! a client that asks until there is nothing more comes to an end. What is where is looked up when it is fetched, so a tape that
//! was moved meanwhile is found where it is. Labels are what is on the cartridges: none is made or changed by these commands.

use std::collections::BTreeSet;

use super::{Request, done, status};
use crate::scsi::commands::Handled;
use crate::scsi::outcome::Outcome;
use crate::scsi::sense::Sense;
use crate::vtl::element::ElementKind;
use crate::vtl::loader::Element;

/// The parameter list: a template of 32 characters, and the volume sequence numbers wanted.
const PARAMETER_BYTES: u16 = 40;
const TEMPLATE_BYTES: usize = 32;

/// A search that a session has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSearch {
    action: u8,
    kind: Option<ElementKind>,
    start: u16,
    /// None if labels of this kind do not exist here: nothing is found.
    template: Option<Vec<u8>>,
    /// The addresses that were sent.
    sent: BTreeSet<u16>,
}

/// SEND VOLUME TAG. Only searches: labels cannot be asserted, replaced or undefined, they are on the cartridges.
pub(super) fn send_volume_tag(request: &mut Request<'_>) -> Handled {
    const ALL: u8 = 0;
    const PRIMARY: u8 = 1;
    const ALTERNATE: u8 = 2;
    const IGNORE_SEQUENCE: u8 = 4;
    let cdb = request.cdb;
    let action = cdb.byte::<5>() & 0x1f;
    let is_search = matches!(action & !IGNORE_SEQUENCE, ALL | PRIMARY | ALTERNATE);
    if !is_search {
        return Err(Sense::invalid_bit(5, 4));
    }
    let (kind, start) = (status::element_kind(cdb)?, cdb.u16::<2>());
    if start > request.loader.last_address() {
        return Err(Sense::INVALID_ELEMENT.at_byte(2));
    }
    if cdb.u16::<8>() == 0 {
        return done(); // no data, which is no error, and so no search
    }
    let (PARAMETER_BYTES, Some(list)) = (cdb.u16::<8>(), request.data_out.first_chunk::<40>()) else {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    };
    let template = template(list)?;
    let minimum = u16::from_be_bytes([list[34], list[35]]);
    let maximum = u16::from_be_bytes([list[38], list[39]]);
    if action & IGNORE_SEQUENCE == 0 && minimum > maximum {
        return Err(Sense::invalid_parameter(38));
    }
    // Every label has the sequence number 0, and there are no alternate ones.
    let can_be = (action & IGNORE_SEQUENCE != 0 || minimum == 0) && action & !IGNORE_SEQUENCE != ALTERNATE;
    let template = Some(template).filter(|_| can_be);
    request.nexus.search = Some(VolumeSearch { action, kind, start, template, sent: BTreeSet::new() });
    Ok(Outcome::taken(PARAMETER_BYTES.into()))
}

/// The characters up to the first zero, without the blanks behind them.
fn template(list: &[u8; PARAMETER_BYTES as usize]) -> Result<Vec<u8>, Sense> {
    let field = &list[..TEMPLATE_BYTES];
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(TEMPLATE_BYTES);
    let text = field[..end].trim_ascii_end();
    // What labels are made of, and the wildcards; a blank within matches no label.
    let is_good = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    match text.iter().position(|byte| !is_good(byte)) {
        Some(at) => Err(Sense::invalid_parameter(u16::try_from(at).unwrap_or(0))),
        None => Ok(text.to_vec()),
    }
}

impl VolumeSearch {
    fn finds(&self, element: &Element) -> bool {
        let (Some(template), Some(barcode)) = (&self.template, &element.tape) else { return false };
        self.kind.is_none_or(|kind| kind == element.kind)
            && element.address >= self.start
            && !self.sent.contains(&element.address)
            && matches(template, barcode.as_str().as_bytes())
    }
}

/// `?` stands for one character, `*` for any number of them.
fn matches(template: &[u8], text: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where the last star stands, and up to where it has swallowed the text.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(next) {
        match template.get(at) {
            Some(b'*') => {
                star = Some((at, next));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((star_at, swallowed)) = star else { return false };
                star = Some((star_at, swallowed + 1));
                (at, next) = (star_at + 1, swallowed + 1);
            }
        }
    }
    template[at..].iter().all(|byte| *byte == b'*')
}

/// REQUEST VOLUME ELEMENT ADDRESS: the elements found, as READ ELEMENT STATUS reports them.
pub(super) fn request_volume_element_address(request: &mut Request<'_>) -> Handled {
    let wanted = status::Wanted::of_volume_elements(request.personality, request.cdb)?;
    if wanted.start > request.loader.last_address() {
        return Err(Sense::INVALID_ELEMENT.at_byte(2));
    }
    let Some(search) = &mut request.nexus.search else { return Err(Sense::COMMAND_SEQUENCE) };
    let elements = request.loader.elements().elements;
    let found: Vec<&Element> = elements.iter().filter(|element| search.finds(element)).collect();
    let chosen = wanted.choose(found);
    let room = request.cdb.room(request.cdb.u24::<7>());
    let mut report = status::encode(&wanted, &chosen, room);
    if let Some(byte) = report.data.get_mut(4) {
        *byte = search.action;
    }
    search.sent.extend(chosen.iter().take(report.descriptors).map(|element| element.address));
    Ok(Ok(report.data).into())
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn templates_match_as_globs_do() {
        let table: &[(&str, &str, bool)] = &[
            ("VLT001L8", "VLT001L8", true),
            ("VLT001L", "VLT001L8", false),
            ("VLT001L8X", "VLT001L8", false),
            ("VLT???L8", "VLT001L8", true),
            ("VLT??L8", "VLT001L8", false),
            ("*", "VLT001L8", true),
            ("*L8", "VLT001L8", true),
            ("*1*L*", "VLT001L8", true),
            ("*L8L8", "VLT001L8", false),
            ("V*T*8*", "VLT001L8", true),
            ("**??", "VLT001L8", true),
            ("?*?????????", "VLT001L8", false),
            ("", "VLT001L8", false),
            ("", "", true),
        ];
        for (template, text, expected) in table {
            assert_eq!(matches(template.as_bytes(), text.as_bytes()), *expected, "{template} {text}");
        }
    }
}
