"""LeadHub shown and tried on one machine: sample leads, a form page, a CRM, and what runs the processes for them."""
