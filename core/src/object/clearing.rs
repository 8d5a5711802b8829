//! Clearing what the target has more than once: one record is deleted at a time, and then the target is asked
//! whether any is left.

/// More records under one id than this are another problem than ours.
pub const COPIES_MAX: u32 = 100;
/// After so many DELETEs in a row the target is given its time before it is asked whether any
/// record is left: it may acknowledge first and do later.
const COPIES_AT_ONCE: u32 = 8;

/// How far that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clearing {
    /// Records that were deleted.
    pub copies: u32,
    /// Of these, since the target was last given its time.
    at_once: u32,
    /// Whether any is left is asked next.
    pub looks: bool,
}

impl Clearing {
    /// Takes note of a DELETE that was accepted. Returns whether the target is to be given its time now.
    pub fn deleted(&mut self) -> bool {
        self.copies += 1;
        self.looks = true;
        self.at_once = (self.at_once + 1) % COPIES_AT_ONCE;
        self.at_once == 0
    }

    /// Says whether a record that is still there is one too many.
    pub fn is_in_vain(&self) -> bool {
        self.copies >= COPIES_MAX
    }
}
