"""What two records of a person say of each other. The decision drawn from it is `domain.deduplication`."""
