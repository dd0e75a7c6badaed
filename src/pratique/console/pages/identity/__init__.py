"""Pages about who may do what: principals, people, groups, roles, assignments, activation, reviews, sessions."""
