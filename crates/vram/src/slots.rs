//! Slots: places with generations, so that the handle of what is gone never names what came after it.

use crate::Handle;

/// Values by handle.
pub(crate) struct Slots<T>(Vec<Slot<T>>);

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, value: T) -> Handle {
        // A slot whose generations are used up is never used again.
        let free = |slot: &Slot<T>| slot.value.is_none() && slot.generation < u32::MAX;
        let place = self.0.iter().position(free).unwrap_or(self.0.len());
        if place == self.0.len() {
            self.0.push(Slot {
                generation: 0,
                value: None,
            });
        }
        let mut generation = 0;
        if let Some(slot) = self.0.get_mut(place) {
            slot.generation += 1;
            generation = slot.generation;
            slot.value = Some(value);
        }
        Handle {
            slot: u32::try_from(place).unwrap_or(u32::MAX),
            generation,
        }
    }

    pub(crate) fn find(&self, handle: Handle) -> Option<&T> {
        let slot = self.0.get(usize::try_from(handle.slot).ok()?)?;
        let current = slot.generation == handle.generation;
        slot.value.as_ref().filter(|_| current)
    }

    pub(crate) fn remove(&mut self, handle: Handle) -> Option<T> {
        self.find(handle)?;
        let slot = self.0.get_mut(usize::try_from(handle.slot).ok()?)?;
        slot.value.take()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|slot| slot.value.as_ref())
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;
    use crate::Handle;

    #[test]
    fn a_handle_dies_with_its_value() {
        let mut slots = Slots::default();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        assert_eq!(slots.remove(first), None);
        let second = slots.insert('b');
        assert_eq!(first.slot, second.slot, "the place is used again");
        assert_eq!(slots.find(first), None);
        assert_eq!(slots.find(second), Some(&'b'));
    }

    #[test]
    fn made_up_handles_name_nothing() {
        let mut slots = Slots::default();
        let real = slots.insert('a');
        assert_eq!(Handle::from_bits(real.to_bits()), real);
        for bits in [0, 1, u64::MAX, real.to_bits() + 1, 2 << 32] {
            assert_eq!(slots.find(Handle::from_bits(bits)), None);
        }
    }
}
