"""The student's app: joining, the notice, consent, checks, the exam, and the receipt."""
