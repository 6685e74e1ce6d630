"""What the apps share: texts, cards, notes and pages that look, scale and read aloud alike."""
