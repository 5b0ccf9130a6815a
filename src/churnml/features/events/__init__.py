"""Events as windowed measures: planes laid out in one pass, a day-by-day ledger, and their sum."""
