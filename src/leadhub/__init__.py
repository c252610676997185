"""LeadHub: the one front door for a company's leads."""
