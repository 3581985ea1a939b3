"""What becomes of a change: seen night by night, in its states, until it ends."""
