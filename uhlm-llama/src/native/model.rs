//! A loaded model and its vocabulary.

use std::ffi::{CStr, CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;
use uhlm_law::sampling::TokenId;

use super::device::Device;
use super::guard::{Assertions, Thrown, guarded};
use super::{
    llama_model_chat_template, llama_model_free, llama_model_load_from_file, llama_token_to_piece, llama_tokenize,
    llama_vocab_get_attr, llama_vocab_get_text, llama_vocab_is_eog,
};

/// A model of llama.cpp.
pub(crate) struct Model {
    pub(super) model: NonNull<sys::llama_model>,
    /// Whether layers of it are on a GPU.
    pub(super) on_gpu: bool,
    vocab: NonNull<sys::llama_vocab>,
}

// SAFETY: a loaded model is only read, but for making contexts, which `crate::Model` does one at a time.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

/// The settings with which a model is loaded.
pub(crate) struct Loading<'a> {
    /// GPUs that layers are put on; none keeps the model and all of its passes on the CPU.
    pub(crate) gpus: &'a [Device],
    /// Largest number of layers on the GPUs.
    pub(crate) gpu_layers: u32,
    /// Whether weights are laid out anew for kernels that compute several rows at once.
    pub(crate) repack: bool,
    /// Whether the weights are left out. Nothing can be computed then.
    pub(crate) vocabulary_only: bool,
    /// Whether the file is mapped; `None` maps it where the system can.
    pub(crate) mmap: Option<bool>,
    /// Callback that gets the share that is loaded, in [0, 1]; it ends the load by returning `false`.
    pub(crate) go_on: &'a mut dyn FnMut(f32) -> bool,
}

/// The reason why a model was not loaded.
#[derive(Debug)]
pub(crate) enum LoadFailure {
    /// llama.cpp refused the file; its log says why.
    Refused,
    /// llama.cpp threw, or an assertion failed.
    Thrown(Thrown),
    /// `go_on` panicked.
    Panicked(String),
    /// The path has a zero in it.
    Path,
}

struct Progress<'a> {
    go_on: &'a mut dyn FnMut(f32) -> bool,
    panicked: Option<String>,
}

unsafe extern "C" fn progress(share: f32, data: *mut c_void) -> bool {
    // SAFETY: `load` passes its own, which lives until the load has ended; it calls from one thread.
    let progress = unsafe { &mut *data.cast::<Progress<'_>>() };
    match catch_unwind(AssertUnwindSafe(|| (progress.go_on)(share))) {
        Ok(go_on) => go_on,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            progress.panicked = Some(text.to_owned());
            false
        }
    }
}

impl Model {
    pub(crate) fn load(path: &Path, loading: Loading<'_>) -> Result<Self, LoadFailure> {
        let path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| LoadFailure::Path)?;
        let mut data = Progress { go_on: loading.go_on, panicked: None };
        // SAFETY: it only fills in numbers.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.vocab_only = loading.vocabulary_only;
        // A list that ends at once: without one llama.cpp takes every GPU that it finds, and has it compute large
        // passes even of models that have no layer there.
        let mut devices: Vec<sys::ggml_backend_dev_t> = loading.gpus.iter().map(Device::handle).collect();
        devices.push(std::ptr::null_mut());
        params.devices = devices.as_mut_ptr();
        let on_gpu = !loading.gpus.is_empty() && loading.gpu_layers > 0;
        params.n_gpu_layers = if on_gpu { i32::try_from(loading.gpu_layers).unwrap_or(i32::MAX) } else { 0 };
        if let Some(mmap) = loading.mmap {
            params.load_mode = if mmap { sys::LLAMA_LOAD_MODE_MMAP } else { sys::LLAMA_LOAD_MODE_NONE };
        }
        params.use_extra_bufts = loading.repack;
        params.progress_callback = Some(progress);
        params.progress_callback_user_data = (&raw mut data).cast();
        let text = path.as_ptr();
        // SAFETY: the path ends with a zero, the list of devices with a null, and both they and the callback's data
        // outlive the call.
        let loaded = guarded(Assertions::Throw, || unsafe { llama_model_load_from_file(text, params) });
        if let Some(text) = data.panicked {
            return Err(LoadFailure::Panicked(text));
        }
        let model = NonNull::new(loaded.map_err(LoadFailure::Thrown)?).ok_or(LoadFailure::Refused)?;
        // SAFETY: the model was just made.
        let vocab = unsafe { sys::llama_model_get_vocab(model.as_ptr()) };
        // A model without a vocabulary still has an object for it.
        let vocab = NonNull::new(vocab.cast_mut()).ok_or(LoadFailure::Refused)?;
        Ok(Self { model, on_gpu, vocab })
    }

    fn vocab(&self) -> *const sys::llama_vocab {
        self.vocab.as_ptr()
    }

    /// Returns the number of tokens in the vocabulary.
    pub(crate) fn tokens(&self) -> u32 {
        // SAFETY: the vocabulary lives as long as the model, here as below; this one is a look at its length.
        unsafe { sys::llama_vocab_n_tokens(self.vocab()) }.max(0).unsigned_abs()
    }

    /// Tells whether the file says how its text becomes tokens.
    pub(crate) fn has_tokenizer(&self) -> bool {
        // SAFETY: as above.
        unsafe { sys::llama_vocab_type(self.vocab()) != sys::LLAMA_VOCAB_TYPE_NONE }
    }

    /// Tells whether its text is split by patterns before it becomes tokens.
    pub(crate) fn splits_text(&self) -> bool {
        // SAFETY: as above.
        unsafe { sys::llama_vocab_type(self.vocab()) == sys::LLAMA_VOCAB_TYPE_BPE }
    }

    pub(crate) fn trained_context(&self) -> u32 {
        // SAFETY: a look at a field, here and in the five that follow.
        unsafe { sys::llama_model_n_ctx_train(self.model.as_ptr()) }.max(0).unsigned_abs()
    }

    pub(crate) fn parameters(&self) -> u64 {
        // SAFETY: as above.
        unsafe { sys::llama_model_n_params(self.model.as_ptr()) }
    }

    /// Tells whether a state of it cannot be rolled back token by token.
    pub(crate) fn is_recurrent(&self) -> bool {
        let model = self.model.as_ptr();
        // SAFETY: as above.
        unsafe { sys::llama_model_is_recurrent(model) || sys::llama_model_is_hybrid(model) }
    }

    /// Tells whether it does not write one token after the other.
    pub(crate) fn is_diffusion(&self) -> bool {
        // SAFETY: as above.
        unsafe { sys::llama_model_is_diffusion(self.model.as_ptr()) }
    }

    /// Tells whether text has to go through an encoder first.
    pub(crate) fn has_encoder(&self) -> bool {
        // SAFETY: as above.
        unsafe { sys::llama_model_has_encoder(self.model.as_ptr()) }
    }

    /// Returns the text of the file's chat template.
    pub(crate) fn chat_template(&self) -> Result<Option<Vec<u8>>, Thrown> {
        let model = self.model.as_ptr();
        // SAFETY: the model lives; no name asks for the default template.
        let text = guarded(Assertions::Throw, || unsafe { llama_model_chat_template(model, std::ptr::null()) })?;
        // SAFETY: it is a text of the model's metadata that ends with a zero, and is copied at once.
        Ok((!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes().to_vec()))
    }

    /// Tells whether a text is to begin with BOS, the token for the beginning of a text.
    pub(crate) fn adds_bos(&self) -> bool {
        // SAFETY: a look at a field, here and in the three that follow.
        unsafe { sys::llama_vocab_get_add_bos(self.vocab()) }
    }

    pub(crate) fn bos(&self) -> Option<TokenId> {
        // SAFETY: as above.
        self.token(unsafe { sys::llama_vocab_bos(self.vocab()) })
    }

    pub(crate) fn eos(&self) -> Option<TokenId> {
        // SAFETY: as above.
        self.token(unsafe { sys::llama_vocab_eos(self.vocab()) })
    }

    pub(crate) fn eot(&self) -> Option<TokenId> {
        // SAFETY: as above.
        self.token(unsafe { sys::llama_vocab_eot(self.vocab()) })
    }

    /// Returns a token that llama.cpp names, if the vocabulary has it.
    fn token(&self, id: i32) -> Option<TokenId> {
        TokenId::try_from(id).ok().filter(|&id| id < self.tokens())
    }

    /// Tells whether a token ends a reply.
    pub(crate) fn is_end(&self, id: TokenId) -> Result<bool, Thrown> {
        let (vocab, id) = (self.vocab(), id.cast_signed());
        // SAFETY: the vocabulary lives; ids that it does not have are in no set.
        guarded(Assertions::Throw, || unsafe { llama_vocab_is_eog(vocab, id) })
    }

    /// Returns the marks of a token.
    pub(crate) fn attributes(&self, id: TokenId) -> Result<u32, Thrown> {
        let (vocab, id) = (self.vocab(), id.cast_signed());
        // SAFETY: the vocabulary lives; an id that it does not have throws.
        guarded(Assertions::Throw, || unsafe { llama_vocab_get_attr(vocab, id) })
    }

    /// Makes tokens of text, without BOS and EOS; `parse` reads the names of control tokens as those.
    pub(crate) fn tokenize(&self, text: &[u8], parse: bool) -> Result<Vec<TokenId>, Thrown> {
        let length = i32::try_from(text.len()).map_err(|_| Thrown("a text of more than 2 GiB".into()))?;
        let (vocab, text) = (self.vocab(), text.as_ptr().cast());
        let mut tokens: Vec<i32> = Vec::with_capacity(length as usize / 2 + 8);
        loop {
            let (buffer, capacity) = (tokens.as_mut_ptr(), i32::try_from(tokens.capacity()).unwrap_or(i32::MAX));
            // SAFETY: text and buffer have the lengths that are said, and outlive the call.
            let written = guarded(Assertions::Throw, || unsafe {
                llama_tokenize(vocab, text, length, buffer, capacity, false, parse)
            })?;
            if written >= 0 && written <= capacity {
                // SAFETY: llama.cpp wrote so many.
                unsafe { tokens.set_len(written as usize) };
                return Ok(tokens.into_iter().map(i32::cast_unsigned).collect());
            }
            let needed = written.checked_neg().filter(|&needed| needed > capacity);
            let needed = needed.ok_or_else(|| Thrown("a text of more than 2^31 tokens".into()))?;
            tokens.reserve_exact(needed as usize);
        }
    }

    /// Returns a token's name as the file spells it, before it becomes bytes.
    pub(crate) fn text(&self, id: TokenId) -> Result<Vec<u8>, Thrown> {
        let (vocab, id) = (self.vocab(), id.cast_signed());
        // SAFETY: the vocabulary lives; an id that it does not have throws.
        let text = guarded(Assertions::Throw, || unsafe { llama_vocab_get_text(vocab, id) })?;
        // SAFETY: it is a text of the vocabulary that ends with a zero, and is copied at once.
        Ok(if text.is_null() { Vec::new() } else { unsafe { CStr::from_ptr(text) }.to_bytes().to_vec() })
    }

    /// Appends the bytes of a token; with `special` those of the names of control tokens too.
    pub(crate) fn piece(&self, id: TokenId, special: bool, bytes: &mut Vec<u8>) -> Result<(), Thrown> {
        let (vocab, id) = (self.vocab(), id.cast_signed());
        loop {
            let spare = bytes.spare_capacity_mut();
            let (buffer, capacity) = (spare.as_mut_ptr().cast(), i32::try_from(spare.len()).unwrap_or(i32::MAX));
            // SAFETY: the buffer has the length that is said.
            let written = guarded(Assertions::Throw, || unsafe {
                llama_token_to_piece(vocab, id, buffer, capacity, 0, special)
            })?;
            if written >= 0 && written <= capacity {
                // SAFETY: llama.cpp wrote so many bytes.
                unsafe { bytes.set_len(bytes.len() + written as usize) };
                return Ok(());
            }
            let needed = written.checked_neg().filter(|&needed| needed > capacity);
            bytes.reserve(needed.ok_or_else(|| Thrown("a token of more than 2 GiB".into()))? as usize);
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let model = self.model.as_ptr();
        // SAFETY: it was made by `load`, and contexts keep it alive for as long as they need it.
        let freed = guarded(Assertions::Throw, || unsafe { llama_model_free(model) });
        if let Err(thrown) = freed {
            tracing::error!(%thrown, "a model was not freed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(go_on: &mut dyn FnMut(f32) -> bool) -> Result<Model, LoadFailure> {
        crate::backend::start();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo-draft.gguf");
        let (gpus, gpu_layers, mmap) = (&[], 0, None);
        Model::load(&path, Loading { gpus, gpu_layers, repack: true, vocabulary_only: false, mmap, go_on })
    }

    #[test]
    fn what_cpp_throws_is_an_error() {
        let model = demo(&mut |_| true).expect("the bundled draft model");
        // `std::vector::at` and `std::map::at` inside llama.cpp.
        assert!(model.attributes(1 << 20).is_err());
        assert!(model.piece(1 << 20, true, &mut Vec::new()).is_err());
        assert_eq!(model.attributes(0).map(|_| ()), Ok(()));
    }

    #[test]
    fn a_callback_that_panics_ends_the_load_with_its_text() {
        let failure = demo(&mut |share| if share > 0.3 { panic!("no more than {share}") } else { true }).err();
        assert!(matches!(failure, Some(LoadFailure::Panicked(text)) if text.starts_with("no more than")));
        assert!(matches!(demo(&mut |_| false).err(), Some(LoadFailure::Refused)));
    }

    #[test]
    fn text_of_any_length_becomes_tokens_and_comes_back() {
        let model = demo(&mut |_| true).expect("the bundled draft model");
        for text in ["", "a", "the cat", &"xyz 12 \u{1f389} ".repeat(500)] {
            let mut bytes = Vec::new();
            for id in model.tokenize(text.as_bytes(), true).expect("tokens") {
                model.piece(id, true, &mut bytes).expect("a piece");
            }
            assert_eq!(String::from_utf8(bytes).as_deref(), Ok(text));
        }
    }
}
