"""The parts that all pages share: permissions, request checks, headers, translations, errors."""
