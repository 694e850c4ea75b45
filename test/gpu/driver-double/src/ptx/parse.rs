//! From text to kernels.

use super::instruction::{
    Access, Comparison, Instruction, Kernel, Operation, Parameter, Preset, Space, Width,
};
use super::line::{Line, split};
use std::collections::HashMap;

/// All kernels of a module.
pub(crate) fn parse(text: &str) -> Result<Vec<Kernel>, String> {
    let mut lines = text.lines().enumerate().map(|(at, line)| {
        let code = line.split("//").next().unwrap_or_default();
        (at + 1, code.trim())
    });
    let mut kernels = Vec::new();
    while let Some((_, line)) = lines.next() {
        if let Some((_, name)) = line.split_once(".entry ") {
            let mut parser = Parser::default();
            parser.parameters(&mut lines)?;
            parser.body(&mut lines)?;
            kernels.push(parser.finish(name.trim_end_matches('('))?);
        }
    }
    Ok(kernels)
}

#[derive(Default)]
struct Parser<'text> {
    parameters: Vec<Parameter>,
    /// Parameters and shared variables by name: where they are in their space.
    names: HashMap<&'text str, u64>,
    registers: HashMap<&'text str, usize>,
    presets: HashMap<Preset, usize>,
    labels: HashMap<&'text str, usize>,
    jumps: Vec<(usize, &'text str)>,
    shared_bytes: u64,
    instructions: Vec<Instruction>,
}

impl<'text> Parser<'text> {
    fn parameters(
        &mut self,
        lines: &mut impl Iterator<Item = (usize, &'text str)>,
    ) -> Result<(), String> {
        let mut offset = 0;
        for (at, line) in lines.take_while(|(_, line)| !line.starts_with(')')) {
            let line = line.trim_end_matches(',');
            let (name, bytes, align) = declaration(line).ok_or(format!("line {at}: {line}"))?;
            offset = usize::next_multiple_of(offset, align);
            self.names.insert(name, offset as u64);
            self.parameters.push(Parameter { offset, bytes });
            offset += bytes;
        }
        Ok(())
    }

    fn body(
        &mut self,
        lines: &mut impl Iterator<Item = (usize, &'text str)>,
    ) -> Result<(), String> {
        let mut depth = 0;
        for (at, line) in lines {
            match line {
                "" => {}
                "{" => depth += 1,
                "}" if depth == 1 => return Ok(()),
                "}" => depth -= 1,
                _ => self
                    .statement(at, line)
                    .map_err(|why| format!("line {at}: {why}"))?,
            }
        }
        Err("the text ends inside a kernel".to_owned())
    }

    fn statement(&mut self, at: usize, line: &'text str) -> Result<(), String> {
        if let Some(label) = line.strip_suffix(':') {
            self.labels.insert(label, self.instructions.len());
        } else if line.starts_with(".shared") {
            let found = declaration(line.trim_end_matches(';'));
            let (name, bytes, align) = found.ok_or_else(|| line.to_owned())?;
            self.shared_bytes = self.shared_bytes.next_multiple_of(align as u64);
            self.names.insert(name, self.shared_bytes);
            self.shared_bytes += bytes as u64;
        } else if !line.starts_with('.') {
            let instruction = self.instruction(at, &Line::of(line))?;
            self.instructions.push(instruction);
        }
        Ok(())
    }

    fn finish(mut self, name: &str) -> Result<Kernel, String> {
        for (at, label) in std::mem::take(&mut self.jumps) {
            let target = self.labels.get(label).ok_or(format!("no label {label}"))?;
            self.instructions[at].operation = Operation::Branch(*target);
        }
        Ok(Kernel {
            name: name.trim().to_owned(),
            parameters: self.parameters,
            shared_bytes: self.shared_bytes,
            registers: self.registers.len() + self.presets.len(),
            preset: self
                .presets
                .into_iter()
                .map(|(preset, at)| (at, preset))
                .collect(),
            instructions: self.instructions,
        })
    }

    fn instruction(&mut self, at: usize, line: &Line<'text>) -> Result<Instruction, String> {
        let guard = line.guard.map(|(name, value)| (self.register(name), value));
        let mut instruction = Instruction {
            guard,
            operation: Operation::Return,
            targets: [usize::MAX; 4],
            sources: [self.preset(Preset::Constant(0)); 4],
            line: at,
        };
        match line.parts[0] {
            "ld" | "st" => self.access(line, &mut instruction)?,
            "bra" => {
                self.jumps.push((self.instructions.len(), line.operands[0]));
                instruction.operation = Operation::Branch(0);
            }
            "bar" | "barrier" => instruction.operation = Operation::Barrier,
            "ret" | "exit" => {}
            "mov" if line.operands[1].contains("%clock") => {
                instruction.operation = Operation::Clock;
                instruction.targets[0] = self.register(line.operands[0]);
            }
            _ => {
                instruction.operation = arithmetic(line)?;
                instruction.targets[0] = self.register(line.operands[0]);
                for (source, text) in instruction.sources.iter_mut().zip(&line.operands[1..]) {
                    *source = self.operand(text)?;
                }
            }
        }
        Ok(instruction)
    }

    fn access(&mut self, line: &Line<'text>, into: &mut Instruction) -> Result<(), String> {
        let loads = line.parts[0] == "ld";
        let (address, values) = if loads {
            (line.operands[1], line.operands[0])
        } else {
            (line.operands[0], line.operands[1])
        };
        let address = address.trim_matches(['[', ']']);
        let (base, offset) = match address.rsplit_once('+') {
            Some((base, offset)) => (base, offset.parse().map_err(|_| address.to_owned())?),
            None => (address, 0),
        };
        let values = split(values.trim_matches(['{', '}']));
        let access = Access {
            space: space(line)?,
            count: values.len(),
            bytes: width(line.parts[line.parts.len() - 1])?.bits as usize / 8,
            offset,
            uncached: line.has("cv") || line.has("volatile"),
        };
        for (index, value) in values.into_iter().enumerate() {
            if loads {
                into.targets[index] = self.register(value);
            } else if index < 3 {
                into.sources[index] = self.operand(value)?;
            } else {
                return Err("a store of four values".to_owned());
            }
        }
        into.sources[3] = self.operand(base)?;
        into.operation = if loads {
            Operation::Load(access)
        } else {
            Operation::Store(access)
        };
        Ok(())
    }

    fn register(&mut self, name: &'text str) -> usize {
        let next = self.registers.len() + self.presets.len();
        *self.registers.entry(name).or_insert(next)
    }

    fn preset(&mut self, preset: Preset) -> usize {
        let next = self.registers.len() + self.presets.len();
        *self.presets.entry(preset).or_insert(next)
    }

    fn operand(&mut self, text: &'text str) -> Result<usize, String> {
        let preset = match (text, self.names.get(text)) {
            ("%tid.x", _) => Preset::Thread,
            ("%ntid.x", _) => Preset::Threads,
            ("%ctaid.x", _) => Preset::Block,
            ("%nctaid.x", _) => Preset::Blocks,
            (_, Some(&place)) => Preset::Constant(place),
            _ if text.starts_with('%') => return Ok(self.register(text)),
            _ => Preset::Constant(constant(text).ok_or(format!("operand {text}"))?),
        };
        Ok(self.preset(preset))
    }
}

/// `.param .align 8 .b8 name[48]`: the name, bytes in all, and the alignment in bytes.
fn declaration(line: &str) -> Option<(&str, usize, usize)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let last = words.last()?;
    let kind = words.iter().rev().find(|word| word.starts_with('.'))?;
    let each = width(kind.strip_prefix('.')?).ok()?.bits as usize / 8;
    let said = words.iter().position(|&word| word == ".align");
    let align = said.and_then(|at| words.get(at + 1)?.parse().ok());
    let (name, count) = match last.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, count)) => (name, count.parse().ok()?),
        None => (*last, 1),
    };
    Some((name, each * count, align.unwrap_or(each)))
}

fn constant(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits.trim_end_matches('U'), 16).ok(),
        // Negative numbers are what their bits are.
        None => text
            .parse::<u64>()
            .ok()
            .or_else(|| text.parse::<i64>().ok().map(i64::cast_unsigned)),
    }
}

fn space(line: &Line<'_>) -> Result<Space, String> {
    match () {
        () if line.has("global") => Ok(Space::Global),
        () if line.has("shared") => Ok(Space::Shared),
        () if line.has("param") => Ok(Space::Parameters),
        () => Err("a generic address".to_owned()),
    }
}

fn width(text: &str) -> Result<Width, String> {
    let (kind, bits) = match text {
        "pred" => ("b", "1"),
        _ => text.split_at_checked(1).unwrap_or(("", "")),
    };
    let bits = bits.parse().map_err(|_| format!("type {text}"))?;
    match kind {
        "u" | "b" | "s" => Ok(Width {
            bits,
            signed: kind == "s",
        }),
        _ => Err(format!("type {text}")),
    }
}

fn arithmetic(line: &Line<'_>) -> Result<Operation, String> {
    let parts = &line.parts;
    let last = width(parts[parts.len() - 1]);
    let second = parts.get(1).copied().unwrap_or_default();
    Ok(match (parts[0], second) {
        ("mov" | "cvta", _) => Operation::Move(last?),
        ("add", _) => Operation::Add(last?),
        ("sub", _) => Operation::Subtract(last?),
        ("mul", "lo") => Operation::Multiply(last?),
        ("mul", "wide") => Operation::MultiplyWide(last?),
        ("mad", "lo") => Operation::MultiplyAdd(last?),
        ("min", _) => Operation::Minimum(last?),
        ("max", _) => Operation::Maximum(last?),
        ("and", _) => Operation::And,
        ("or", _) => Operation::Or,
        ("xor", _) => Operation::Xor,
        ("not", _) => Operation::Not(last?),
        ("shl", _) => Operation::ShiftLeft(last?),
        ("shr", _) => Operation::ShiftRight(last?),
        ("shf", "l") => Operation::FunnelLeft,
        ("shf", "r") => Operation::FunnelRight,
        ("setp", _) => Operation::Compare(comparison(second)?, last?),
        ("selp", _) => Operation::Select,
        ("cvt", _) => Operation::Convert {
            from: last?,
            to: width(parts[parts.len() - 2])?,
        },
        _ => return Err(format!("instruction {}", parts.join("."))),
    })
}

fn comparison(text: &str) -> Result<Comparison, String> {
    Ok(match text {
        "eq" => Comparison::Equal,
        "ne" => Comparison::NotEqual,
        "lt" | "lo" => Comparison::Less,
        "le" | "ls" => Comparison::LessOrEqual,
        "gt" | "hi" => Comparison::Greater,
        "ge" | "hs" => Comparison::GreaterOrEqual,
        _ => return Err(format!("comparison {text}")),
    })
}
