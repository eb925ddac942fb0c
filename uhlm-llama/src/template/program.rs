//! The guarded program of a template: the engine's own instructions, and between them calls of [`super::operators`]
//! that bound what the instructions around them make, compare and write.

use minijinja::Value;
use minijinja::machinery::{Instruction, Instructions};
use minijinja::value::ValueKind;

use super::operators as call;
use super::source::ONE;

/// How many frames a block takes of the depth of calls beside its own: with it, as many as a macro, whose call takes as
/// much of the stack.
const FRAMES_OF_A_BLOCK: usize = 5;

/// Returns the guarded program.
pub(super) fn guarded<'s>(plain: &Instructions<'s>) -> Instructions<'s> {
    let mut guarded = Instructions::new(plain.name(), plain.source());
    // Where each instruction went, and where the last one ends.
    let mut places = Vec::with_capacity(plain.len() + 1);
    let count = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    for at in 0..count {
        places.push(guarded.len());
        for instruction in replaced(plain, at) {
            match (plain.get_span(at), plain.get_line(at)) {
                (Some(span), _) => guarded.add_with_span(instruction, span),
                (None, Some(line)) => guarded.add_with_line(instruction, u16::try_from(line).unwrap_or(u16::MAX)),
                (None, None) => guarded.add(instruction),
            };
        }
    }
    places.push(guarded.len());
    for at in 0..u32::try_from(guarded.len()).unwrap_or(u32::MAX) {
        if let Some(target) = guarded.get_mut(at).and_then(target) {
            let place = places.get(*target as usize).or(places.last()).copied().unwrap_or_default();
            *target = u32::try_from(place).unwrap_or(u32::MAX);
        }
    }
    guarded
}

/// Returns the address in an instruction.
fn target<'a>(instruction: &'a mut Instruction<'_>) -> Option<&'a mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}

/// A call of a filter that no template can name, with the values on top of the stack.
fn apply<'s>(name: &'static str, count: u16) -> Instruction<'s> {
    // The last number says that the engine does not remember where it found the filter.
    Instruction::ApplyFilter(name, Some(count), !0)
}

/// Returns what takes an instruction's place.
fn replaced<'s>(plain: &Instructions<'s>, at: u32) -> Vec<Instruction<'s>> {
    let Some(own) = plain.get(at) else { return Vec::new() };
    let one = |at: u32| matches!(plain.get(at), Some(Instruction::Lookup(ONE)));
    // Takes the two values on top of the stack as a list, and puts them back.
    let with_both =
        |name| [Instruction::BuildList(Some(2)), apply(name, 1), Instruction::UnpackList(2), Instruction::Swap];
    let own = own.clone();
    match own {
        Instruction::Lookup(ONE) if matches!(plain.get(at + 1), Some(Instruction::Mul)) => Vec::new(),
        Instruction::Mul if at > 0 && one(at - 1) => Vec::new(),
        Instruction::Enclose(ONE) => Vec::new(),
        Instruction::EmitRaw(text) => vec![Instruction::LoadConst(Value::from(text)), Instruction::Emit],
        // Lists that are added are constants, and only promised.
        Instruction::LoadConst(ref value) if value.kind() == ValueKind::Iterable => vec![own, apply(call::MADE, 1)],
        Instruction::Add | Instruction::BuildList(_) | Instruction::EndCapture => vec![own, apply(call::MADE, 1)],
        Instruction::BuildMap(pairs) => vec![Instruction::BuildList(Some(2 * pairs)), apply(call::MAP, 1)],
        Instruction::MergeKwargs(count) => vec![Instruction::BuildList(Some(count)), apply(call::KWARGS, 1)],
        Instruction::UnpackLists(count) => {
            vec![Instruction::BuildList(Some(count)), apply(call::SPREAD, 1), Instruction::UnpackLists(1)]
        }
        Instruction::Mul => with_both(call::FACTORS).into_iter().chain([own, apply(call::MADE, 1)]).collect(),
        Instruction::CompareAndPreserve(_) => with_both(call::COMPARED).into_iter().chain([own]).collect(),
        Instruction::StringConcat => vec![apply(call::CONCATENATED, 2)],
        Instruction::Slice => vec![apply(call::SLICED, 4)],
        Instruction::GetItem => vec![apply(call::ITEM, 2)],
        Instruction::In => vec![apply(call::IN, 2)],
        Instruction::Eq => vec![apply(call::EQ, 2)],
        Instruction::Ne => vec![apply(call::NE, 2)],
        Instruction::Lt => vec![apply(call::LT, 2)],
        Instruction::Lte => vec![apply(call::LE, 2)],
        Instruction::Gt => vec![apply(call::GT, 2)],
        Instruction::Gte => vec![apply(call::GE, 2)],
        Instruction::SetAttr(name) => {
            vec![Instruction::LoadConst(Value::from(name)), apply(call::SET, 3), Instruction::DiscardTop]
        }
        Instruction::PushLoop(_) | Instruction::FastRecurse => vec![apply(call::LOOPED, 1), own],
        Instruction::CallFunction(_, Some(1)) => vec![apply(call::LOOPED, 1), own, apply(call::MADE, 1)],
        // The methods of a loop are the engine's: the one compares, and keeps, whatever it gets, the other divides by
        // the number of its arguments.
        Instruction::CallMethod(name @ ("changed" | "cycle"), count) => vec![
            Instruction::BuildList(count.map(usize::from)),
            apply(call::CALLED, 1),
            Instruction::UnpackLists(1),
            Instruction::CallMethod(name, None),
            apply(call::MADE, 1),
        ],
        Instruction::CallFunction(..) | Instruction::CallMethod(..) | Instruction::CallObject(_) => {
            vec![own, apply(call::MADE, 1)]
        }
        Instruction::BuildMacro(..) => vec![own, apply(call::MACRO, 1)],
        Instruction::CallBlock(_) => {
            let around = |frame: Instruction<'s>| std::iter::repeat_n(frame, FRAMES_OF_A_BLOCK);
            around(Instruction::PushWith).chain([own]).chain(around(Instruction::PopFrame)).collect()
        }
        own => vec![own],
    }
}
