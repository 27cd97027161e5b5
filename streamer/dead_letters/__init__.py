"""The dead letters, for an operator: listed, shown, and sent to `plays` again once what refused them is mended."""
