"""The institution's app: make, edit, check, preview, compare, sign and publish policies; manage keys."""
