package clients

import "testing"

func describes(t *testing.T, s *stage)       {}
func copiesEveryView(t *testing.T, s *stage) {}
func tools(t *testing.T, s *stage)           {}
