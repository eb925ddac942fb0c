//! Makes a row of logits, writes it as bytes and reads it.

use uhlm_law::sampling::TokenId;

use super::bytes::{Bytes, put_number};
use super::{Row, TraceError};

fn damaged(what: &str) -> TraceError {
    TraceError::Damaged { what: what.to_owned() }
}

/// Appends a row: its ids as steps from one to the next, its logits, its normaliser.
pub(crate) fn put_row(out: &mut Vec<u8>, row: &Row) {
    put_number(out, row.ids.len() as u64);
    let mut last = 0;
    for &id in &row.ids {
        put_number(out, u64::from(id - last));
        last = id;
    }
    row.logits.iter().for_each(|z| out.extend_from_slice(&z.to_le_bytes()));
    out.extend_from_slice(&row.log_normaliser.to_le_bytes());
}

/// Takes a row.
///
/// # Errors
/// [`TraceError::Damaged`].
pub(crate) fn decode_row(bytes: &mut Bytes<'_>) -> Result<Row, TraceError> {
    let len = bytes.len(5)?;
    let (mut ids, mut last) = (Vec::with_capacity(len), 0u32);
    for place in 0..len {
        let step = bytes.id()?;
        last = last.checked_add(step).filter(|_| step > 0 || place == 0).ok_or_else(|| damaged("ids out of order"))?;
        ids.push(last);
    }
    let logits = (0..len).map(|_| bytes.f32()).collect::<Result<Vec<_>, _>>()?;
    let log_normaliser = bytes.f64()?;
    if len == 0 || !log_normaliser.is_finite() || logits.iter().any(|z| !z.is_finite()) {
        return Err(damaged("a row that is empty or not finite"));
    }
    Ok(Row { ids, logits, log_normaliser })
}

/// Returns the `count` tokens of the greatest finite logits, `also` among them, and the normaliser over all logits.
pub(crate) fn top(logits: &[f32], count: usize, also: Option<TokenId>) -> Row {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&z| f64::from(z - greatest).exp()).sum();
    let mut entries: Vec<(TokenId, f32)> = (0..).zip(logits.iter().copied()).filter(|(_, z)| z.is_finite()).collect();
    if count < entries.len() && count > 0 {
        let before = |a: &(TokenId, f32), b: &(TokenId, f32)| {
            (Some(b.0) == also).cmp(&(Some(a.0) == also)).then(b.1.total_cmp(&a.1)).then(a.0.cmp(&b.0))
        };
        entries.select_nth_unstable_by(count - 1, before);
        entries.truncate(count);
    }
    entries.sort_unstable_by_key(|&(id, _)| id);
    let (ids, logits) = entries.into_iter().unzip();
    Row { ids, logits, log_normaliser: f64::from(greatest) + sum.ln() }
}

/// A kept row over the whole vocabulary; tokens that were not kept have no chance.
pub(crate) struct DenseRow {
    logits: Vec<f32>,
    /// Ids of the finite logits.
    set: Vec<TokenId>,
}

impl DenseRow {
    pub(crate) fn new(vocabulary: usize) -> Self {
        Self { logits: vec![f32::NEG_INFINITY; vocabulary], set: Vec::new() }
    }

    pub(crate) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Takes the logits of a row in place of those of the row before, or none.
    pub(crate) fn take(&mut self, row: Option<&Row>) {
        self.set.drain(..).for_each(|id| self.logits[id as usize] = f32::NEG_INFINITY);
        for (&id, &z) in row.into_iter().flat_map(|row| row.ids.iter().zip(&row.logits)) {
            if let Some(place) = self.logits.get_mut(id as usize) {
                *place = z;
                self.set.push(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_the_greatest_logits_the_token_of_the_text_and_the_sum_of_all() {
        let logits = [1.0, 5.0, 3.0, f32::NEG_INFINITY, 3.0, 0.5];
        let row = top(&logits, 3, None);
        assert_eq!((row.ids.as_slice(), row.logits.as_slice()), (&[1, 2, 4][..], &[5.0, 3.0, 3.0][..]));
        let sum: f64 = [1.0f64, 5.0, 3.0, 3.0, 0.5].iter().map(|z| z.exp()).sum();
        assert!((row.log_normaliser - sum.ln()).abs() < 1e-9);
        assert_eq!(top(&logits, 3, Some(5)).ids, [1, 2, 5], "of equals the lower id stays");
        assert_eq!(top(&logits, 9, None).ids, [0, 1, 2, 4, 5]);
    }
}
