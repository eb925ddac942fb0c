//! The sampling that a model's authors recommend, as far as the file's header says: `general.sampling.*`.

use uhlm_law::sampling::SamplingParams;

use crate::header::Value;

/// The part of the keys that all of them begin with.
const PREFIX: &str = "general.sampling.";

/// The recommendations that were read so far.
#[derive(Debug, Default)]
pub(crate) struct Recommended(Option<SamplingParams>);

impl Recommended {
    /// Takes note of an entry, as far as it is one. What the chain does not have (XTC, mirostat) is passed over.
    pub(crate) fn note(&mut self, key: &str, value: &Value) {
        let Some(name) = key.strip_prefix(PREFIX) else { return };
        let mut params = self.0.clone().unwrap_or_default();
        match (name, value) {
            ("temp", Value::Real(value)) => params.temperature = *value,
            ("top_p", Value::Real(value)) => params.top_p = *value,
            ("min_p", Value::Real(value)) => params.min_p = *value,
            ("penalty_repeat", Value::Real(value)) => params.penalty_repeat = *value,
            ("top_k", Value::Unsigned(count)) => params.top_k = u32::try_from(*count).unwrap_or(0),
            ("penalty_last_n", Value::Unsigned(count)) => {
                params.penalty_last_n = u32::try_from(*count).unwrap_or(u32::MAX);
            }
            _ => return,
        }
        self.0 = Some(params);
    }

    /// Returns the parameters; `None` where the header recommends none, or none that can be used.
    pub(crate) fn finish(self) -> Option<SamplingParams> {
        self.0.filter(|params| params.validate().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, Value)]) -> Option<SamplingParams> {
        let mut recommended = Recommended::default();
        entries.iter().for_each(|(key, value)| recommended.note(key, value));
        recommended.finish()
    }

    #[test]
    fn what_the_header_recommends_is_taken_over_and_what_makes_no_sense_is_not() {
        let entries = [
            ("general.sampling.temp", Value::Real(0.6)),
            ("general.sampling.top_k", Value::Unsigned(20)),
            ("general.sampling.top_p", Value::Real(0.95)),
            ("general.sampling.xtc_threshold", Value::Real(0.1)),
            ("general.name", Value::Unsigned(3)),
        ];
        let expected = SamplingParams { temperature: 0.6, top_k: 20, top_p: 0.95, ..SamplingParams::default() };
        assert_eq!(read(&entries), Some(expected));
        assert_eq!(read(&entries[3..]), None);
        assert_eq!(read(&[("general.sampling.temp", Value::Real(f32::NAN))]), None);
        assert_eq!(read(&[("general.sampling.temp", Value::Unsigned(1))]), None, "of another type");
    }
}
