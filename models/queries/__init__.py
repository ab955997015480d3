"""Pure SELECT builders."""
