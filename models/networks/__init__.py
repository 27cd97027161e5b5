"""Networks: from a history of plays to a taste vector per horizon."""
