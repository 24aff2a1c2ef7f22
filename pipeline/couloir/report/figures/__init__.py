"""Draw the report's figures: each function takes values and gives a picture that HTML can hold."""
