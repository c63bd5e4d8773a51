package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/musterhq/muster/examples/rank/bodyfat"
	"github.com/musterhq/muster/examples/rank/register"
)

// Enter works a person's body fat out and enters it on the board.
func (s *Server) Enter(ctx context.Context, r *EnterRequest) (*Person, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	entry, err := s.register.Enter(ctx, r.GetName(), bodyOf(r))
	if err != nil {
		return nil, s.refusal(err)
	}
	return personOf(entry), nil
}

// Look looks a person up.
func (s *Server) Look(ctx context.Context, r *LookRequest) (*Person, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	person, standing, err := s.Board.Get(ctx, r.GetName())
	if err != nil {
		return nil, s.refusal(err)
	}
	return personOf(register.Entry{Person: person, Standing: standing}), nil
}

// Top returns the ranking's first lines.
func (s *Server) Top(ctx context.Context, r *TopRequest) (*Board, error) {
	lines := int(r.GetTop())
	switch {
	case lines == 0:
		lines = defaultTop
	case lines < 0 || lines > maxTop:
		return nil, s.refusal(&bodyfat.FieldError{Field: "top", Message: "want a number from 1 to 100"})
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	entries, people, err := s.Board.Top(ctx, lines)
	if err != nil {
		return nil, s.refusal(err)
	}
	out := &Board{People: people}
	for _, e := range entries {
		out.Entries = append(out.Entries, &Board_Entry{Rank: e.Rank, Name: e.Name, Percent: e.Percent})
	}
	return out, nil
}

// Watch sends Top, and again whenever it has changed, until its client leaves
// or the server stops.
func (s *Server) Watch(r *TopRequest, stream grpc.ServerStreamingServer[Board]) error {
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	var sent *Board
	for {
		now, err := s.Top(stream.Context(), r)
		if err != nil {
			return err
		}
		if sent == nil || !proto.Equal(now, sent) {
			if err := stream.Send(now); err != nil {
				return err
			}
			sent = now
		}
		select {
		case <-look.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-s.stopping:
			return status.Error(codes.Unavailable, "this instance stops: watch again")
		}
	}
}

func bodyOf(r *EnterRequest) bodyfat.Body {
	sex := map[Sex]bodyfat.Sex{Sex_SEX_MALE: bodyfat.Male, Sex_SEX_FEMALE: bodyfat.Female}
	return bodyfat.Body{
		Sex: sex[r.GetSex()], Age: int(r.GetAge()), Height: r.GetHeight(), Weight: r.GetWeight(),
		Waist: r.GetWaist(), Neck: r.GetNeck(), Hip: r.GetHip(),
	}
}

func personOf(e register.Entry) *Person {
	return &Person{
		Name: e.Name, Percent: e.Percent, Formula: e.Formula, Rank: e.Rank, People: e.People, Hint: e.Hint,
		RecordedAt: e.RecordedAt.Format(time.RFC3339Nano), RecordedBy: e.RecordedBy,
	}
}
