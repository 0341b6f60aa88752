"""What packets of a codec tell about their pictures."""
